import AMQP
import Foundation
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Tells those who watch jobs what became of them, at most ten times a second: what has changed since the last turn is read
/// at once, as it is then, so that the newest change counts and the last one always comes.
///
/// An address that does not take what it is told holds up no other: it is left out until it has.
struct WatchPublisher<Broker: MessageBroker>: Service {
  private static var interval: Duration { .milliseconds(100) }
  /// After a message that was not taken.
  private static var pause: Duration { .seconds(1) }
  private static var mostJobs: Int { 1_000 }
  private static var mostBytes: Int { 8 << 20 }

  let watches: JobWatches
  let store: any JobStore
  let broker: Broker
  let clock: any ServerClock
  let log: ServerLog

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        while !Task.isCancelled {
          let batches = watches.take(limit: Self.mostJobs)
          guard !batches.isEmpty else {
            await watches.news.wait(atMost: nil, clock: clock)
            continue
          }
          let findings = await find(batches)
          for batch in batches { group.addTask { await tell(batch, findings) } }
          // Ends early when the task is cancelled, which ends the loop.
          try? await clock.sleep(for: Self.interval)
        }
      }
    }
  }

  /// - Returns: `nil` where the store fails.
  private func find(_ batches: [JobWatches.Batch]) async -> [JobLookup: JobFinding]? {
    let lookups = Set(
      batches.flatMap { $0.watches.map { JobLookup.id($0.job, tenant: $0.watch.tenant) } })
    let asked = Array(lookups)
    do {
      let found = try await store.find(asked, bytes: Self.mostBytes)
      return Dictionary(zip(asked, found)) { $1 }
    } catch {
      log.count(\.storeFailures)
      log.burst(.error, "watched jobs cannot be read", ["error": "\(error)"])
      return nil
    }
  }

  private func tell(_ batch: JobWatches.Batch, _ findings: [JobLookup: JobFinding]?) async {
    var failed: [JobID] = []
    var ready: [(job: JobID, isOver: Bool, publication: Publication)] = []
    for (job, watch) in batch.watches {
      let finding = findings?[.id(job, tenant: watch.tenant)] ?? .left
      var found: Job?
      switch finding {
      case .left:
        failed.append(job)
        continue
      case .unknown: break
      case .found(let job): found = job
      }
      var room = Int.max
      let message = LookupMessage.answer(
        [job], room: &room, correlationID: watch.correlationID
      ) { _ in .known(found) }
      ready.append(
        (
          job, (found?.status.isFinal ?? true) || watch.end <= clock.uptime,
          // RabbitMQ 3.10 returns what goes to a direct reply-to even when it delivers it. Such a watch ends with its time.
          Publication(
            message, exchange: "", routingKey: batch.address,
            mandatory: !batch.address.hasPrefix("amq.rabbitmq.reply-to"))
        ))
    }
    let verdicts = await broker.publish(ready.map(\.publication), timeout: .seconds(10))
    var over: [JobID] = []
    var isRefused = findings == nil
    var isGone = false
    for (item, verdict) in zip(ready, verdicts) {
      switch verdict {
      case .confirmed: if item.isOver { over.append(item.job) }
      case .returned: isGone = true
      default:
        isRefused = true
        failed.append(item.job)
        log.burst(
          .notice, "somebody who watches a job could not be told of it now",
          ["job": "\(item.job)", "address": "\(batch.address)", "verdict": "\(verdict)"])
      }
    }
    // Ends early when the task is cancelled, and then nobody is told any more.
    if isRefused { try? await clock.sleep(for: Self.pause) }
    watches.end(batch.address, failed: failed, over: over, isGone: isGone)
  }
}
