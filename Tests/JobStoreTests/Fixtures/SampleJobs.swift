import Foundation
import Jobs

extension Timestamp {
  /// A fixed moment that the tests count from.
  static let start = Timestamp(milliseconds: 1_700_000_000_000)

  static func + (moment: Timestamp, milliseconds: Int64) -> Timestamp {
    Timestamp(milliseconds: moment.milliseconds + milliseconds)
  }
}

extension UUID {
  /// A UUID that is recognised by a number.
  init(number: UInt8) {
    self.init(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number))
  }
}

/// A new waiting job with what the test cares for.
func sampleJob(
  id: JobID = JobID(), tenant: UUID = .zero, key: UUID = UUID(), type: String = "files:checksum",
  queue: JobQueueName = .compute, params: JSONValue = ["path": "README.md"],
  scheduledAt: Timestamp = .start, createdAt: Timestamp = .start, maxRetries: Int = 0,
  context: [String: String] = [:]
) throws -> Job {
  Job(
    id: id, tenantID: tenant, userID: .zero, idempotencyKey: key, type: try JobTypeID(type),
    queue: queue, params: params, timeout: .seconds(60), retry: RetryPolicy(maxRetries: maxRetries),
    context: context, scheduledAt: scheduledAt, createdAt: createdAt)
}

extension Job {
  /// The job after some changes, which the domain would make through its own functions.
  func with(_ change: (inout Job) -> Void) -> Job {
    var job = self
    change(&job)
    return job
  }
}
