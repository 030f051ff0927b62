import Foundation
import Jobs
import Logging

/// A logger that says nothing.
let silent: Logger = {
  var logger = Logger(label: "test")
  logger.logLevel = .critical
  return logger
}()

/// A job type `test:<name>` of the queue compute, whose work is this closure.
func testType(
  _ name: String = "job", stallTimeout: Duration = .zero,
  stateUpdate: (@Sendable (NoParams, JobState) async -> Void)? = nil,
  execute: @escaping @Sendable (JobContext) async throws -> JSONValue?
) throws -> RegisteredJobType {
  RegisteredJobType(
    try JobType(
      group: JobGroup("test", queue: .compute), name: name, params: NoParams(),
      stallTimeout: stallTimeout,
      stateUpdate: stateUpdate,
      execute: { _, context in try await execute(context) }))
}

/// A waiting job of a type.
func waitingJob(
  _ type: String = "test:job", queue: JobQueueName = .compute, timeout: Duration = .zero,
  retry: RetryPolicy = .never
) throws -> Job {
  Job(
    id: JobID(), tenantID: .zero, userID: .zero, idempotencyKey: UUID(),
    type: try JobTypeID(type), queue: queue, params: [:], timeout: timeout, retry: retry,
    scheduledAt: .now, createdAt: .now)
}

/// What a callback throws in a test.
struct TestFailure: Error, CustomStringConvertible {
  let description = "the disk is on fire"
}

/// Returns when the task is cancelled.
func untilCancelled() async {
  let (stream, continuation) = AsyncStream.makeStream(of: Never.self)
  for await _ in stream {}
  withExtendedLifetime(continuation) {}
}

extension Result where Failure == any Error {
  /// What comes of `body`, to be looked at later.
  init(_ body: () async throws -> Success) async {
    do {
      self = .success(try await body())
    } catch {
      self = .failure(error)
    }
  }
}
