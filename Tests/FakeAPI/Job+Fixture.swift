import Foundation
public import Jobs

extension Job {
  /// A job of the type `files:checksum`, made at second 1000 of Unix time.
  public static func fixture(
    id: JobID = JobID(), status: JobStatus = .waiting, progress: Double = 0, details: String = "",
    result: JSONValue? = nil, error: String? = nil, priority: Int = JobPriority.standard
  ) throws -> Job {
    var job = Job(
      id: id, tenantID: .zero, userID: .zero, idempotencyKey: UUID(),
      type: try JobTypeID("files:checksum"), queue: .compute, params: ["path": "README.md"],
      timeout: .seconds(60), retry: RetryPolicy(maxRetries: 2, delay: .seconds(1)),
      priority: priority,
      scheduledAt: Timestamp(milliseconds: 1_000_000),
      createdAt: Timestamp(milliseconds: 1_000_000))
    job.status = status
    job.progress = progress
    job.progressDetails = details
    job.result = result
    job.error = error
    if status.isHeld || status.isFinal {
      job.attempt = 1
      job.startedAt = Timestamp(milliseconds: 1_001_000)
      job.updatedAt = Timestamp(milliseconds: 1_005_500)
      job.worker = WorkerID(rawValue: "host-1")
    }
    return job
  }
}
