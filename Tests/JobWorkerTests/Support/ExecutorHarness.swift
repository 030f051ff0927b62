import Jobs
import Logging

@testable import JobWorker

/// An executor over an authority in memory, that has claimed one job.
struct ExecutorHarness: Sendable {
  let authority = MemoryAuthority()
  let lifecycle = WorkerLifecycle()
  let attempt = Attempt()
  let deadlines: DeadlineQueue
  let condition = WorkerCondition()
  let troubles = Recorder<WorkerTrouble>()
  let assignment: JobAssignment
  let executor: Executor<BatchingAuthority<MemoryAuthority>>
  /// The outcomes that the worker would keep.
  let kept = Recorder<JobReport>()

  init(
    timeout: Duration = .zero, settings: ExecutionSettings = ExecutionSettings(),
    deadlines: DeadlineQueue = DeadlineQueue()
  ) throws {
    self.deadlines = deadlines
    var job = try waitingJob(timeout: timeout)
    let worker = WorkerID(rawValue: "w")
    guard let assignment = job.start(by: worker, claim: .zero, at: .now) else {
      throw TestFailure()
    }
    authority.add(job)
    self.assignment = assignment
    let batching = BatchingAuthority(authority)
    executor = Executor(
      authority: batching, worker: worker, settings: settings,
      sender: ReportSender(
        authority: batching, keep: { [kept] in kept.add($0) }, lifecycle: lifecycle, logger: silent),
      deadlines: deadlines, condition: condition,
      onTrouble: { [troubles] trouble, _ in troubles.add(trouble) }, logger: silent)
  }

  @discardableResult
  func run(
    stateUpdate: (@Sendable (NoParams, JobState) async -> Void)? = nil,
    _ execute: @escaping @Sendable (JobContext) async throws -> JSONValue?
  ) async throws -> Executor<BatchingAuthority<MemoryAuthority>>.Ending {
    await executor.run(
      assignment, try testType(stateUpdate: stateUpdate, execute: execute), attempt)
  }

  var job: Job? { authority.job(assignment.job) }
}

extension Executor {
  /// Runs an attempt to its end.
  func run(
    _ assignment: JobAssignment, _ type: RegisteredJobType, _ attempt: Attempt
  ) async -> Ending {
    await withCheckedContinuation { continuation in
      start(assignment, type, attempt) { continuation.resume(returning: $0) }
    }
  }
}
