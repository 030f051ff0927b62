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

/// Hands outcomes over until they are durable.
struct ReportSender<Authority: JobAuthority>: Sendable {
  let authority: Authority
  /// Told of each outcome that is durable.
  let keep: @Sendable (JobReport) -> Void
  let lifecycle: WorkerLifecycle
  /// Waits before it is tried again, unless the worker leaves.
  let pause: @Sendable (Duration) async -> Void
  let logger: Logger

  /// - Parameter pause: waits; on the machine's clock when it is `nil`.
  init(
    authority: Authority, keep: @escaping @Sendable (JobReport) -> Void,
    lifecycle: WorkerLifecycle, pause: (@Sendable (Duration) async -> Void)? = nil, logger: Logger
  ) {
    self.authority = authority
    self.keep = keep
    self.lifecycle = lifecycle
    self.pause = pause ?? { _ = await lifecycle.reached(.leaving, within: $0) }
    self.logger = logger
  }

  /// Tries until it succeeds: an outcome is never given up because the broker or the server is away.
  ///
  /// - Returns: `false` when the attempt has been stopped meanwhile, or the worker leaves.
  func send(_ reports: [JobReport], of attempt: Attempt) async -> Bool {
    var pause = Pause(first: .milliseconds(400), longest: .seconds(10))
    while true {
      let failure: AuthorityError
      do throws(AuthorityError) {
        try await authority.report(reports)
        for report in reports { if case .ended = report.content { keep(report) } }
        return true
      } catch {
        failure = error
      }
      guard attempt.orders.isDisjoint(with: [.stop, .abandon]) else { return false }
      let wait = pause.take()
      logger.warning(
        "an outcome is not yet reported; it is tried again",
        metadata: ["error": "\(failure)", "retry-in": "\(wait)"])
      await self.pause(wait)
      if lifecycle.phase >= .leaving { return false }
    }
  }
}

/// How attempts are run.
struct ExecutionSettings: Sendable {
  /// The shortest time between two reports of one attempt's progress; zero is as fast as they are taken.
  var progressInterval: Duration = .milliseconds(100)
  /// How long lines of an attempt's log are gathered.
  var logInterval: Duration = .seconds(1)
  /// How long a callback may take to end after it was told to, before it counts as stuck.
  var grace: Duration = .seconds(10)
  /// How long it may be stuck before the worker ends itself; `nil` is for ever.
  var stuckLimit: Duration?
  var limits = OutcomeLimits()
  /// Who schedules what callbacks schedule; they cannot when it is `nil`.
  var scheduling: (any JobScheduling)?
}

/// How much of what a callback says is kept, in bytes.
struct OutcomeLimits: Sendable, Hashable {
  /// Of an error, a reason or the details of a progress; what is over it is cut off.
  var message = 8 << 10
  /// Of a result as JSON; a larger one fails the job.
  var result = JobLimits.result
  /// Of a snapshot as JSON; a larger one is refused.
  var snapshot = JobLimits.snapshot

  func check(_ snapshot: JSONPayload) throws(SnapshotError) {
    let size = snapshot.bytes.count
    guard size <= self.snapshot else { throw .tooLarge(size, limit: self.snapshot) }
  }

  /// The text, cut where it is too long.
  func bounded(_ text: String) -> String {
    guard text.utf8.count > message else { return text }
    var end = text.utf8.index(text.utf8.startIndex, offsetBy: message)
    // Never within a character.
    while String.Index(end, within: text) == nil {
      end = text.utf8.index(before: end)
    }
    return "\(text[..<end])… [cut: \(text.utf8.count) bytes]"
  }
}
