import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Watches over workers.
protocol LeaseWatching: Sendable {
  /// A worker has announced itself, and holds its lease.
  func watch(_ worker: WorkerID)
}

/// Notices the end of a worker's connection as it happens. The server stands second in line at each worker's lease queue:
/// when the worker's connection ends, the broker hands it the message that the worker held.
///
/// What it hears is a reason to look, never a proof.
struct LeaseWatch<Broker: MessageBroker>: LeaseWatching, Service {
  let directory: WorkerDirectory
  let workers: WorkerCheck
  let broker: Broker
  let names: TransportNames
  let clock: any ServerClock
  let log: ServerLog
  private let arrivals: AsyncStream<WorkerID>
  private let arrival: AsyncStream<WorkerID>.Continuation

  init(
    directory: WorkerDirectory, workers: WorkerCheck, broker: Broker, names: TransportNames,
    clock: any ServerClock,
    log: ServerLog
  ) {
    self.directory = directory
    self.workers = workers
    self.broker = broker
    self.names = names
    self.clock = clock
    self.log = log
    (arrivals, arrival) = AsyncStream.makeStream()
  }

  func watch(_ worker: WorkerID) {
    arrival.yield(worker)
  }

  func run() async throws {
    let watched = Watched()
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        for await worker in arrivals where watched.insert(worker) {
          group.addTask {
            await follow(worker)
            watched.remove(worker)
            // One that has come back meanwhile has announced itself to no avail: it was watched.
            if directory.contains(worker) { watch(worker) }
          }
        }
      }
    }
  }

  private func follow(_ worker: WorkerID) async {
    do {
      let consumer = try await broker.consume(
        Subscription(queue: names.lease(worker), prefetch: 1))
      // It is there now, so that its absence later means that it is gone.
      workers.check(worker)
      for try await deliveries in consumer {
        // It has to be out of the way of a worker that comes back.
        await consumer.ack(deliveries.map(\.tag))
        await consumer.cancel()
      }
    } catch {
      log.logger.debug(
        "a lease queue is gone", metadata: ["worker": "\(worker)", "error": "\(error)"])
    }
    var failures = 0
    while !Task.isCancelled, await !workers.settle(worker) {
      failures += 1
      let pause = RetryPauses.patient.pause(after: failures)
      guard (try? await clock.sleep(for: pause)) != nil else { return }
    }
    guard directory.contains(worker) else { return }
    // It is there, and will have its lease again in a moment.
    guard (try? await clock.sleep(for: .seconds(1))) != nil else { return }
  }
}

/// The workers whose leases are watched.
private final class Watched: Sendable {
  private let workers = Mutex<Set<WorkerID>>([])

  func insert(_ worker: WorkerID) -> Bool {
    workers.withLock { $0.insert(worker).inserted }
  }

  func remove(_ worker: WorkerID) {
    _ = workers.withLock { $0.remove(worker) }
  }
}
