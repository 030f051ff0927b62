import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle
import UnixSignals

/// The worker at work: announces itself, consumes its queues, obeys, and at the end drains.
///
/// The end goes through the phases of ``WorkerPhase``. When the service group shuts down gracefully the worker drains: it
/// takes on nothing more, gives back what it has not claimed, and lets its jobs run on up to the limit. Then, or at a second
/// signal, it tells them to end and gives them back. What does not end within the grace period (or until a further signal) is
/// left alone, and counts as lost with the connection. Cancelling the task leaves at once.
struct WorkerService<Authority: JobAuthority>: Service {
  let consumers: QueueConsumers
  let claimer: JobClaimer<Authority>
  let registration: Registration
  let attempts: AttemptsAtHand
  let control: ControlConsumer
  let announcer: Announcer
  let lease: LeaseHolder
  let outages: OutageHandler
  let health: HealthReporter
  let lifecycle: WorkerLifecycle
  let drainLimit: Duration
  let grace: Duration
  let obeysSignals: Bool
  let logger: Logger

  func run() async throws {
    await withTaskCancellationHandler {
      await withGracefulShutdownHandler {
        await work()
      } onGracefulShutdown: {
        lifecycle.advance(to: .draining)
      }
    } onCancel: {
      lifecycle.advance(to: .leaving)
      enter(.leaving)
    }
    if let failure = lifecycle.failure { throw failure }
  }

  private func work() async {
    await withTaskGroup { group in
      group.addTask { await control.run() }
      group.addTask { await announcer.run() }
      group.addTask { await lease.run() }
      group.addTask { await outages.run() }
      group.addTask { await health.run() }
      group.addTask { await end() }
      // A claim of a worker that nobody has heard of is refused.
      await registration.waitUntilAnnounced(or: lifecycle)
      await withDiscardingTaskGroup { queues in
        for consumer in consumers.all {
          queues.addTask { await consumer.run(claim: claimer.claim) }
        }
      }
      if !Task.isCancelled { await announcer.farewell() }
      group.cancelAll()
    }
  }

  /// Takes the worker through the phases of its end.
  private func end() async {
    await lifecycle.reached(.draining)
    guard !Task.isCancelled else { return }
    enter(.draining)
    logger.info("draining", metadata: ["limit": "\(drainLimit)"])
    await withTaskGroup { group in
      if obeysSignals { group.addTask { await hurry() } }
      if await !lifecycle.reached(.givingBack, within: drainLimit), !Task.isCancelled {
        lifecycle.advance(to: .givingBack)
      }
      if !Task.isCancelled {
        enter(.givingBack)
        logger.notice("giving back what still runs")
        if await !lifecycle.reached(.leaving, within: grace), !Task.isCancelled {
          lifecycle.advance(to: .leaving)
        }
      }
      if !Task.isCancelled { enter(.leaving) }
      group.cancelAll()
    }
  }

  /// Each signal that comes now goes one phase further.
  private func hurry() async {
    for await signal in await UnixSignalsSequence(trapping: .sigterm, .sigint) {
      logger.notice("hurrying", metadata: ["signal": "\(signal)"])
      lifecycle.advance(to: lifecycle.phase.next)
    }
  }

  private func enter(_ phase: WorkerPhase) {
    switch phase {
    case .working: break
    case .draining:
      attempts.drain()
    case .givingBack:
      attempts.orderAll(.giveBack)
    case .leaving:
      attempts.drain()
      attempts.orderAll(.abandon)
    }
  }
}
