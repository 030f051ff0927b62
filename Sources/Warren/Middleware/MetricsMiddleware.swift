public import CoreMetrics
public import Jobs
import Metrics
import Synchronization

extension JobMiddleware where Self == MetricsMiddleware {
  /// Counts and times jobs with the process's metrics system.
  public static var metrics: MetricsMiddleware { MetricsMiddleware() }
}

/// Counts and times jobs, for whatever the process has given swift-metrics to send them to.
///
/// The names are OpenTelemetry's of messaging where there is one (Semantic conventions for messaging client metrics):
///
/// | metric | kind | dimensions |
/// |---|---|---|
/// | `messaging.client.sent.messages` | counter | `type`, `error.type` |
/// | `messaging.client.operation.duration` | timer | `type`: from `schedule` to the broker's confirm |
/// | `warren.schedule.batch` | recorder | |
/// | `messaging.client.consumed.messages` | counter | `type`, `queue` |
/// | `messaging.process.duration` | timer | `type`, `queue`, `outcome` |
/// | `warren.job.queue_wait` | timer | `type`, `queue`: from when it was due to when it began |
/// | `warren.jobs.running` | gauge | `type`, `queue` |
/// | `warren.claim.batch` | recorder | `queue`: how many jobs came at once |
/// | `warren.report.batch` | recorder | how many reports went at once |
/// | `warren.reconnects` | counter | `connection`: `publishing` or `consuming` |
///
/// `outcome` is what became of the attempt: `completed`, `skipped`, `snoozed` or `failed`; and where it was told to end `canceled`,
/// `suspended`, `timed_out`, `stalled`, `given_back` (the service ends) or `fenced`. `error.type` is `none` where all went well.
public struct MetricsMiddleware: JobMiddleware {
  private let instruments: Instruments

  /// - Parameter factory: another one than the process's.
  public init(factory: (any MetricsFactory)? = nil) {
    instruments = Instruments(factory)
  }

  public func schedule(
    _ submissions: [JobSubmission], next: @Sendable ([JobSubmission]) async throws -> [JobReceipt]
  ) async throws -> [JobReceipt] {
    let start = ContinuousClock.now
    let counts = Dictionary(submissions.map { ($0.type, 1) }, uniquingKeysWith: +)
    instruments.batches.record(submissions.count)
    do {
      let receipts = try await next(submissions)
      let took = start.duration(to: .now)
      for (type, count) in counts {
        let sent = instruments.sent(type)
        sent.messages.increment(by: count)
        sent.duration.record(duration: took)
      }
      return receipts
    } catch {
      for (type, count) in counts { instruments.notSent(type, error).increment(by: count) }
      throw error
    }
  }

  public func execute(
    _ job: JobContext, of type: JobTypeDescription,
    next: @Sendable (JobContext) async throws -> JSONPayload?
  ) async throws -> JSONPayload? {
    let start = ContinuousClock.now
    let jobs = instruments.executed(type.id, job.queue)
    jobs.consumed.increment()
    // The clocks of two hosts may differ.
    jobs.wait.record(duration: max(.zero, Timestamp.now - job.scheduledAt))
    jobs.running.increment()
    defer { jobs.running.decrement() }
    do {
      let result = try await next(job)
      jobs.completed.record(duration: start.duration(to: .now))
      return result
    } catch {
      instruments.processed(type.id, job.queue, Self.outcome(of: error, job.cancelReason))
        .record(duration: start.duration(to: .now))
      throw error
    }
  }

  private static func outcome(of error: any Error, _ reason: CancelReason?) -> String {
    if error is JobSkip { return "skipped" }
    if error is Snooze { return "snoozed" }
    return switch reason {
    case nil: "failed"
    case .canceled: "canceled"
    case .suspending: "suspended"
    case .timedOut: "timed_out"
    case .stalled: "stalled"
    case .shuttingDown: "given_back"
    case .fenced: "fenced"
    }
  }

  public func observe(_ event: JobServiceEvent) {
    switch event {
    case .reconnected(let connection): instruments.reconnects(connection).increment()
    case .claimed(let jobs, let queue): instruments.claims(queue).record(jobs)
    case .reported(let reports): instruments.reports.record(reports)
    }
  }
}

/// The metrics of each type and queue, made once.
private final class Instruments: Sendable {
  struct Sent {
    let messages: Counter
    let duration: Metrics.Timer
  }

  struct Executed {
    let consumed: Counter
    let wait: Metrics.Timer
    let running: Meter
    let completed: Metrics.Timer
  }

  private struct Origin: Hashable {
    let type: JobTypeID
    let queue: JobQueueName?
  }

  private struct State {
    var sent: [JobTypeID: Sent] = [:]
    var executed: [Origin: Executed] = [:]
    var claims: [JobQueueName: Recorder] = [:]
  }

  let batches: Recorder
  let reports: Recorder
  private let factory: any MetricsFactory
  private let state = Mutex(State())

  init(_ factory: (any MetricsFactory)?) {
    self.factory = factory ?? MetricsSystem.factory
    batches = Recorder(label: "warren.schedule.batch", factory: self.factory)
    reports = Recorder(label: "warren.report.batch", factory: self.factory)
  }

  func sent(_ type: JobTypeID) -> Sent {
    state.withLock { state in
      if let known = state.sent[type] { return known }
      let dimensions = [("type", "\(type)")]
      let sent = Sent(
        messages: Counter(
          label: "messaging.client.sent.messages",
          dimensions: dimensions + [("error.type", "none")], factory: factory),
        duration: Metrics.Timer(
          label: "messaging.client.operation.duration", dimensions: dimensions, factory: factory))
      state.sent[type] = sent
      return sent
    }
  }

  func notSent(_ type: JobTypeID, _ error: any Error) -> Counter {
    Counter(
      label: "messaging.client.sent.messages",
      dimensions: [("type", "\(type)"), ("error.type", "\(Swift.type(of: error))")],
      factory: factory)
  }

  func reconnects(_ connection: String) -> Counter {
    Counter(
      label: "warren.reconnects", dimensions: [("connection", connection)], factory: factory)
  }

  func claims(_ queue: JobQueueName) -> Recorder {
    state.withLock { state in
      if let known = state.claims[queue] { return known }
      let claims = Recorder(
        label: "warren.claim.batch", dimensions: [("queue", "\(queue)")], factory: factory)
      state.claims[queue] = claims
      return claims
    }
  }

  /// Of attempts that have not completed: there are few.
  func processed(_ type: JobTypeID, _ queue: JobQueueName?, _ outcome: String) -> Metrics.Timer {
    Metrics.Timer(
      label: "messaging.process.duration",
      dimensions: [
        ("type", "\(type)"), ("queue", queue.map { "\($0)" } ?? "none"), ("outcome", outcome),
      ], factory: factory)
  }

  func executed(_ type: JobTypeID, _ queue: JobQueueName?) -> Executed {
    let origin = Origin(type: type, queue: queue)
    return state.withLock { state in
      if let known = state.executed[origin] { return known }
      let dimensions = [("type", "\(type)"), ("queue", queue.map { "\($0)" } ?? "none")]
      func timer(_ label: String, _ more: [(String, String)] = []) -> Metrics.Timer {
        Metrics.Timer(label: label, dimensions: dimensions + more, factory: factory)
      }
      let executed = Executed(
        consumed: Counter(
          label: "messaging.client.consumed.messages", dimensions: dimensions, factory: factory),
        wait: timer("warren.job.queue_wait"),
        running: Meter(label: "warren.jobs.running", dimensions: dimensions, factory: factory),
        completed: timer("messaging.process.duration", [("outcome", "completed")]))
      state.executed[origin] = executed
      return executed
    }
  }
}
