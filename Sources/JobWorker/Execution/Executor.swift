import Jobs
import Logging

/// Runs attempts: callback, time-out, progress, outcome. What a job does not use is not made: one that ends by itself and
/// says nothing on its way costs a task and its report.
struct Executor<Authority: JobAuthority>: Sendable {
  /// How an attempt ended for its worker.
  enum Ending: Sendable {
    /// The outcome is durable.
    case reported
    /// Nothing was, or could be, reported.
    case silent
  }

  let authority: Authority
  let worker: WorkerID
  let settings: ExecutionSettings
  let sender: ReportSender<Authority>
  let deadlines: DeadlineQueue
  let condition: WorkerCondition
  /// Takes the worker out of service, or its queue that the job came from, before the job goes back.
  let onTrouble: @Sendable (WorkerTrouble, JobQueueName) async -> Void
  let logger: Logger

  /// Runs the callback, and reports how it ended.
  ///
  /// A callback that ignores its time-out is given the grace period; then the time-out is reported, so that nobody waits for
  /// the job any longer, but it keeps its slot until it ends: it does still run. How it ends then is not reported. A canceled
  /// one that ignores that stays `canceling` for as long as it runs.
  ///
  /// - Parameters:
  ///   - queue: the one that the job came from, which need not be its type's any longer; that one when it is `nil`.
  ///   - onEnd: called once, when the callback has ended, or is not waited for any longer, and all is told.
  func start(
    _ assignment: JobAssignment, _ type: RegisteredJobType, _ attempt: Attempt,
    from queue: JobQueueName? = nil, onEnd: @escaping @Sendable (Ending) async -> Void
  ) {
    AttemptExecution(
      self, assignment, type, attempt, queue: queue ?? type.group.queue, onEnd: onEnd
    ).start()
  }

  /// Gives a job back that cannot be run here.
  func giveBack(_ assignment: JobAssignment, _ attempt: Attempt) async -> Ending {
    let report = assignment.report(.ended(.returned), by: worker)
    return await sender.send([report], of: attempt) ? .reported : .silent
  }

  /// Asks until there is an answer: a job does not fail because the server is away.
  func decide(_ request: LockRequest) async throws -> LockAnswer? {
    while true {
      do throws(AuthorityError) {
        return try await authority.lock([request]).first
      } catch {
        logger.notice(
          "a lock was not answered; it is asked again",
          metadata: ["job": "\(request.job)", "error": "\(error)"])
      }
      // Ends with the attempt's task.
      try await Task.sleep(for: .milliseconds(500) * Double.random(in: 1...2))
    }
  }
}

extension JobAssignment {
  func report(_ content: JobReport.Content, by worker: WorkerID) -> JobReport {
    JobReport(job: job, attempt: attempt, worker: worker, content: content)
  }
}
