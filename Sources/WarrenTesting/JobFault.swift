/// An accident that happens to a job under test, once, at a certain point. The same test has the same accident each time.
///
/// ```swift
/// let run = try await tester.run(contacts, faults: .killWorker(at: .afterSnapshot(2)))
/// #expect(run.status == .completed)
/// #expect(run.attempts == 2)
/// ```
public struct JobFault: Sendable, Hashable {
  /// Where in an attempt something happens.
  public enum Point: Sendable, Hashable {
    /// Before the callback begins.
    case start
    /// When the callback reports progress for the n-th time in an attempt, from 1.
    case progress(Int)
    /// When the n-th snapshot of an attempt is durable, from 1.
    case afterSnapshot(Int)
    /// When the callback has ended, and its outcome is not reported yet.
    case beforeReport
  }

  enum Action: Sendable, Hashable {
    case killWorker
    case cancel(reason: String?)
    case suspend
    case timeOut
    case deliverTwice
    case loseReport
    case repeatReport
  }

  let action: Action
  /// `nil` where the action says it.
  let point: Point?

  /// The worker is killed, with all jobs that it runs, and another one takes its place. Nothing that the attempt does from then on is
  /// heard; the job is lost by its worker, waits again, and its next attempt finds the last snapshot.
  ///
  /// A process that is killed does nothing more at all. A callback here has its task cancelled, and goes on to where it notices that:
  /// a snapshot that it saves then throws `CancellationError`. The next attempt begins when it has ended.
  public static func killWorker(at point: Point) -> JobFault {
    JobFault(action: .killWorker, point: point)
  }

  /// Somebody cancels the job while it runs.
  public static func cancel(at point: Point, reason: String? = nil) -> JobFault {
    JobFault(action: .cancel(reason: reason), point: point)
  }

  /// Somebody suspends the job while it runs. The type's suspend callback is not called: for that, see ``JobTester/suspend(_:)``.
  public static func suspend(at point: Point) -> JobFault {
    JobFault(action: .suspend, point: point)
  }

  /// So much time passes that the attempt is past its time-out. Only for jobs that have one.
  public static func timeOut(at point: Point) -> JobFault {
    JobFault(action: .timeOut, point: point)
  }

  /// The broker delivers the job's ticket twice: once more while the job runs. The second claim gets nothing.
  public static var deliverTwice: JobFault { JobFault(action: .deliverTwice, point: nil) }

  /// The report of how the attempt ended does not reach the server; the worker hands it over again after a pause.
  public static var loseReport: JobFault { JobFault(action: .loseReport, point: .beforeReport) }

  /// The report of how the attempt ended is applied, and its confirmation does not reach the worker, which hands it over again.
  public static var repeatReport: JobFault { JobFault(action: .repeatReport, point: .beforeReport) }
}

extension JobFault.Point: CustomStringConvertible {
  public var description: String {
    switch self {
    case .start: "its start"
    case .progress(let number): "progress \(number)"
    case .afterSnapshot(let number): "snapshot \(number)"
    case .beforeReport: "its end"
    }
  }
}
