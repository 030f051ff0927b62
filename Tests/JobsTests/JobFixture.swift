import Foundation

@testable import Jobs

extension Job {
  /// A job at time 1000, for worker tests to push about.
  static func fixture(
    status: JobStatus = .waiting, retry: RetryPolicy = .never, timeout: Duration = .zero,
    context: [String: String] = [:]
  ) throws -> Job {
    var job = Job(
      id: JobID(), tenantID: .zero, userID: .zero, idempotencyKey: UUID(),
      type: try JobTypeID("files:checksum"), queue: .compute, params: ["path": "a"],
      timeout: timeout, retry: retry, context: context,
      scheduledAt: Timestamp(milliseconds: 1000),
      createdAt: Timestamp(milliseconds: 1000))
    job.status = status
    if status.isHeld {
      job.attempt = 1
      job.worker = .first
      job.claim = .first
      job.startedAt = Timestamp(milliseconds: 1000)
    }
    return job
  }
}

extension WorkerID {
  static let first = WorkerID(rawValue: "first")
  static let second = WorkerID(rawValue: "second")
}

extension UUID {
  static let first = UUID(uuid: (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1))
  static let second = UUID(uuid: (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2))
}

extension Timestamp {
  static let later = Timestamp(milliseconds: 5000)
}
