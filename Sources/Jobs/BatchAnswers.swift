/// What became of one job of a batch: an element of the answer to `POST /jobs/batch`, in the order of the request.
public struct BatchResult: Sendable, Hashable, Codable {
  /// What `POST /jobs` would have answered with: 202 for a new job, 200 for one that the same idempotency key has made before.
  public let status: Int
  /// The job, when it was accepted.
  public let job: Job?
  /// Why it was not.
  public let problem: Problem?

  /// An accepted job; what a server answers with.
  public init(_ job: Job, isNew: Bool) {
    status = isNew ? 202 : 200
    self.job = job
    problem = nil
  }

  /// A refused one.
  public init(_ problem: Problem) {
    status = problem.status
    job = nil
    self.problem = problem
  }
}

/// The answer to `POST /jobs/batch`.
package struct BatchResults: Sendable, Encodable {
  package let results: [BatchResult]

  package init(_ results: [BatchResult]) {
    self.results = results
  }

  package func encode(to encoder: any Encoder) throws {
    try results.encode(to: encoder)
  }
}

extension BatchResults: JSONWritable {
  package func write(to writer: inout JSONWriter) {
    writer.array(results) { writer, result in
      writer.object { writer in
        if let job = result.job {
          writer.name("job")
          job.write(to: &writer)
        }
        // Its members are texts and numbers, which can always be written.
        if let problem = result.problem, let value = try? JSONValue(encoding: problem) {
          writer.name("problem")
          writer.value(value)
        }
        writer.name("status")
        writer.integer(result.status)
      }
    }
  }
}
