import Jobs

/// A job with the number of its row.
struct StoredJob: Sendable {
  let number: Int64
  let job: Job
}
