import Jobs
import Logging

/// Thrown by a callback that cannot do its work because of the worker it runs in, and not because of its job.
///
/// The job is given back: that is no failure and no retry. The worker takes no more jobs, says so in its announcement (so
/// that `GET /workers` shows it) and in its log, and goes on once the probe passes; until then it is tried again, with pauses
/// that grow from a second to a minute.
public struct WorkerTrouble: Error, Sendable, CustomStringConvertible {
  /// What is wrong with the worker.
  public let description: String
  let probe: @Sendable () async throws -> Void

  /// - Parameter probe: throws for as long as another job would fail the same way.
  public init(_ reason: String, probe: @escaping @Sendable () async throws -> Void = {}) {
    description = reason
    self.probe = probe
  }
}

/// Takes the worker out of service while it cannot do its work.
struct OutageHandler: Sendable {
  private let lanes: Lanes
  private let condition: WorkerCondition
  private let lifecycle: WorkerLifecycle
  private let pauses: Pause
  private let logger: Logger
  private let troubles: AsyncStream<WorkerTrouble>
  private let continuation: AsyncStream<WorkerTrouble>.Continuation

  /// A worker that has been in service for so long starts with the shortest pause again.
  private static let recovered = Duration.seconds(120)

  init(
    lanes: Lanes, condition: WorkerCondition, lifecycle: WorkerLifecycle,
    pauses: Pause = Pause(first: .seconds(1), longest: .seconds(60)), logger: Logger
  ) {
    self.lanes = lanes
    self.condition = condition
    self.lifecycle = lifecycle
    self.pauses = pauses
    self.logger = logger
    (troubles, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Stops taking jobs. When this returns the broker delivers no more, so that what is given back goes to another worker.
  func begin(_ trouble: WorkerTrouble) async {
    let since = condition.outage?.since ?? .now
    guard condition.set(WorkerOutage(reason: trouble.description, since: since)) == nil else {
      return
    }
    await lanes.pause()
    logger.error(
      "the worker cannot do its work; it takes no jobs until it can",
      metadata: ["reason": "\(trouble)"])
    // Only now, so that nobody takes up work again while it is still being stopped.
    continuation.yield(trouble)
  }

  /// Runs until the task is cancelled, or the worker ends.
  func run() async {
    let clock = ContinuousClock()
    var pause = pauses
    var since = clock.now
    for await trouble in troubles {
      if clock.now - since > Self.recovered { pause = pauses }
      var isOut = true
      while isOut {
        let wait = pause.take()
        if await lifecycle.reached(.draining, within: wait) { return }
        guard !Task.isCancelled else { return }
        do {
          try await trouble.probe()
          isOut = false
        } catch {
          logger.warning(
            "the worker still cannot do its work", metadata: ["reason": "\(error)"])
          condition.set(
            WorkerOutage(reason: "\(error)", since: condition.outage?.since ?? .now))
        }
      }
      since = clock.now
      logger.notice("the worker takes jobs again")
      // In this order: a further trouble in between stops the lanes again.
      lanes.resume()
      condition.set(nil)
    }
  }
}
