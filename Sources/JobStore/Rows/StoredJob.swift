import Jobs

/// A job with the number of its row.
struct StoredJob: Sendable {
  let number: Int64
  let job: Job
  /// Which columns could not be read; in the job, something stands for them. `nil` when all could.
  var damage: String?
}

/// A row that cannot be read as a job at all.
struct UnreadableRow: Error, Sendable, CustomStringConvertible {
  let number: Int64
  let reason: String

  var description: String { "row \(number): \(reason)" }
}

/// What a query for several jobs found. A row that cannot be read is not to keep back the others.
struct ReadJobs: Sendable {
  private(set) var jobs: [Job] = []
  /// The rows that are to be set aside.
  private(set) var damaged: [UnreadableRow] = []

  /// - Parameter includesDamaged: whether jobs of which a part cannot be read are wanted.
  /// - Returns: the job, if it was added.
  @discardableResult
  mutating func add(includesDamaged: Bool, _ read: () throws -> StoredJob?) throws -> Job? {
    let stored: StoredJob?
    do {
      stored = try read()
    } catch let row as UnreadableRow {
      damaged.append(row)
      return nil
    }
    guard let stored else { return nil }
    if let damage = stored.damage {
      damaged.append(UnreadableRow(number: stored.number, reason: damage))
      guard includesDamaged else { return nil }
    }
    jobs.append(stored.job)
    return stored.job
  }
}
