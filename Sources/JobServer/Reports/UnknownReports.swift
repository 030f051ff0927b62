import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Looks, when the server starts, through what an older server has kept for it: reports of workers that were newer than
/// that one. What this server understands goes back into the inbox; the rest waits on.
struct UnknownReports<Broker: MessageBroker>: Service {
  let broker: Broker
  let names: TransportNames
  let kept: KeptAttempts
  let clock: any ServerClock
  let log: ServerLog

  /// After so long the jobs of workers that are gone wait no longer.
  private static var patience: Duration { .seconds(30) }
  /// How long the next of the messages may take to come.
  private static var silence: Duration { .seconds(10) }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        group.addTask {
          if (try? await clock.sleep(for: Self.patience)) != nil { kept.noteRead() }
        }
        await lookThrough()
        group.cancelAll()
      }
      // A service that returns ends the process.
      await Signal().wait(atMost: nil)
    }
  }

  private func lookThrough() async {
    let moved = await clock.untilDone(.patient) {
      try await redrive()
    } failed: { error in
      log.burst(
        .warning, "reports that were kept for a newer server cannot be looked at now",
        ["error": "\(error)"])
    }
    kept.noteRead()
    if let moved, moved > 0 {
      log.logger.notice(
        "reports that an older server had kept are applied", metadata: ["messages": "\(moved)"])
    }
  }

  /// - Returns: how many messages are understood now.
  private func redrive() async throws -> Int {
    var left = Int(try await broker.inspect(queue: names.unknownReports).messages)
    guard left > 0 else { return 0 }
    var understood = 0
    guard
      let consumer = try await broker.consume(
        Subscription(queue: names.unknownReports, prefetch: 64), clock: clock, log)
    else { return 0 }
    // Fewer may come than there were: somebody purges the queue, or has taken some.
    let progress = Signal()
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        while !Task.isCancelled {
          let begin = clock.uptime
          await progress.wait(atMost: Self.silence, clock: clock)
          if clock.uptime - begin >= Self.silence { break }
        }
        await consumer.cancel()
      }
      defer { group.cancelAll() }
      for try await deliveries in consumer {
        let moved = try await move(deliveries, of: consumer)
        understood += moved
        left -= deliveries.count
        progress.raise()
        // What is laid in again stands behind all that was there.
        if left <= 0 { break }
      }
      return understood
    }
  }

  private func move(
    _ deliveries: [Delivery], of consumer: Broker.Deliveries
  ) async throws -> Int {
    var understood = 0
    let publications = deliveries.map { delivery in
      let received = try? WireCoding.received(delivery.message)
      kept.add(received?.unknownAttempts ?? [])
      let isKnown = received?.understood != nil
      if isKnown { understood += 1 }
      return Publication(
        DeadLetter.forwarded(delivery.message), exchange: "",
        routingKey: isKnown ? names.reports : names.unknownReports, mandatory: true)
    }
    let verdicts = await broker.publish(publications, timeout: .seconds(10))
    let tags = zip(deliveries, verdicts).map { ($0.tag, $1 == .confirmed) }
    await consumer.ack(tags.filter(\.1).map(\.0))
    let unconfirmed = tags.filter { !$0.1 }.map(\.0)
    guard unconfirmed.isEmpty else {
      await consumer.nack(unconfirmed, requeue: true)
      throw AMQPError.nacked
    }
    return understood
  }
}

/// The attempts whose outcomes are kept for a newer server. Bounded: of the newest it is known.
final class KeptAttempts: Sendable {
  private static let limit = 100_000
  private let attempts = Mutex<Set<RunningAttempt>>([])
  private let hasBeenRead = Atomic(false)

  /// Whether what had been kept when the server started is known: before, no attempt can be said to be lost.
  var isRead: Bool { hasBeenRead.load(ordering: .acquiring) }

  func noteRead() {
    hasBeenRead.store(true, ordering: .releasing)
  }

  func add(_ more: [RunningAttempt]) {
    guard !more.isEmpty else { return }
    attempts.withLock { attempts in
      if attempts.count + more.count > Self.limit { attempts = [] }
      attempts.formUnion(more)
    }
  }

  var all: Set<RunningAttempt> { attempts.withLock { $0 } }

  func contains(_ attempt: RunningAttempt) -> Bool {
    attempts.withLock { $0.contains(attempt) }
  }
}
