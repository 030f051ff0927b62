import AMQP
import JobStore
import JobTransport
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Notices the end of a worker's connection as it happens. The server stands second in line at each worker's lease queue:
/// when the worker's connection ends, the broker hands it the message that the worker held.
///
/// What it hears is a reason to look, never a proof: the worker is asked for each of its jobs.
struct LeaseWatch: Service {
  let store: StatusStore
  let directory: WorkerDirectory
  let control: WorkerControl
  let holders: HolderCheck
  let connection: Connection
  let names: TransportNames
  let logger: Logger
  private let arrivals: AsyncStream<WorkerID>
  private let arrival: AsyncStream<WorkerID>.Continuation

  init(
    store: StatusStore, directory: WorkerDirectory, control: WorkerControl, holders: HolderCheck,
    connection: Connection, names: TransportNames, logger: Logger
  ) {
    self.store = store
    self.directory = directory
    self.control = control
    self.holders = holders
    self.connection = connection
    self.names = names
    self.logger = logger
    (arrivals, arrival) = AsyncStream.makeStream()
  }

  /// A worker has announced itself, and holds its lease.
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
      let consumer = try await connection.consume(
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
      logger.debug(
        "a lease queue is gone", metadata: ["worker": "\(worker)", "error": "\(error)"])
    }
    guard !Task.isCancelled else { return }
    await examine(worker)
  }

  /// What the worker was told while it was away.
  private func remind(_ worker: WorkerID) async {
    do {
      try await forEachJob(of: worker) { job in
        guard job.status == .canceling || job.status == .suspending else { return true }
        return await holders.settle(job)
      }
    } catch {
      logger.error(
        "a worker could not be told what it has missed",
        metadata: ["worker": "\(worker)", "error": "\(error)"])
    }
  }

  /// - Returns: whether `body` did for all.
  @discardableResult
  private func forEachJob(
    of worker: WorkerID, _ body: @escaping @Sendable (Job) async -> Bool
  ) async throws -> Bool {
    var last: JobID?
    var all = true
    while !Task.isCancelled {
      let jobs = try await store.jobs(heldBy: worker, after: last, limit: Recovery.batchSize)
      guard let end = jobs.last else { break }
      last = end.id
      await withTaskGroup { group in
        for job in jobs { group.addTask { await body(job) } }
        for await done in group where !done { all = false }
      }
    }
    return all
  }

  /// Asks for each job until it is known what becomes of it: a detached job has no ticket that would bring it up again.
  private func examine(_ worker: WorkerID) async {
    while !Task.isCancelled {
      do {
        if try await forEachJob(of: worker, { job in await holders.settle(job) }) { break }
      } catch {
        logger.error(
          "the jobs of a worker could not be examined; it is tried again",
          metadata: ["worker": "\(worker)", "error": "\(error)"])
      }
      guard (try? await Task.sleep(for: Recovery.pause)) != nil else { return }
    }
    await strike(worker)
  }

  /// Takes a worker off the list when its queue is gone, which may be a moment after its deliveries are.
  private func strike(_ worker: WorkerID) async {
    for _ in 0..<5 {
      guard await control.isThere(worker) else {
        directory.remove(worker)
        logger.notice("a worker is gone", metadata: ["worker": "\(worker)"])
        return
      }
      guard (try? await Task.sleep(for: .milliseconds(200))) != nil else { return }
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
