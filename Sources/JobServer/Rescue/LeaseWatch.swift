import AMQP
import JobStore
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
/// What it hears is a reason to look, never a proof: the worker is asked for each of its jobs.
struct LeaseWatch<Broker: MessageBroker>: LeaseWatching, Service {
  let store: StatusStore
  let directory: WorkerDirectory
  let control: WorkerControl
  let examiner: HolderExaminer
  let broker: Broker
  let names: TransportNames
  let clock: any ServerClock
  let log: ServerLog
  private let arrivals: AsyncStream<WorkerID>
  private let arrival: AsyncStream<WorkerID>.Continuation

  init(
    store: StatusStore, directory: WorkerDirectory, control: WorkerControl,
    examiner: HolderExaminer, broker: Broker, names: TransportNames, clock: any ServerClock,
    log: ServerLog
  ) {
    self.store = store
    self.directory = directory
    self.control = control
    self.examiner = examiner
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
      _ = await control.isThere(worker)
      await remind(worker)
      for try await deliveries in consumer {
        // It has to be out of the way of a worker that comes back.
        await consumer.ack(deliveries.map(\.tag))
        await consumer.cancel()
      }
    } catch {
      log.logger.debug(
        "a lease queue is gone", metadata: ["worker": "\(worker)", "error": "\(error)"])
    }
    guard !Task.isCancelled else { return }
    await examine(worker)
    await remove(worker)
  }

  /// Has the worker told what it has missed while it was away.
  private func remind(_ worker: WorkerID) async {
    await examine(worker) { $0.status == .canceling || $0.status == .suspending }
  }

  /// Has each job examined until it is known what becomes of it: a detached job has no ticket that would bring it up again.
  private func examine(_ worker: WorkerID, _ isWanted: (Job) -> Bool = { _ in true }) async {
    _ = await clock.untilDone(.patient) { () throws(StoreError) in
      var last: JobID?
      while !Task.isCancelled {
        let jobs = try await store.jobs(heldBy: worker, after: last, limit: Recovery.batchSize)
        guard let end = jobs.last else { break }
        last = end.id
        examiner.examine(jobs.filter(isWanted))
      }
    } failed: { error in
      log.count(\.storeFailures)
      log.burst(
        .error, "the jobs of a worker could not be examined; it is tried again",
        ["worker": "\(worker)", "error": "\(error)"])
    }
  }

  /// Takes a worker off the list when its queue is gone, which may be a moment after its deliveries are.
  private func remove(_ worker: WorkerID) async {
    for _ in 0..<5 {
      guard await control.isThere(worker) else {
        directory.remove(worker)
        log.logger.notice("a worker is gone", metadata: ["worker": "\(worker)"])
        return
      }
      guard (try? await clock.sleep(for: .milliseconds(200))) != nil else { return }
    }
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
