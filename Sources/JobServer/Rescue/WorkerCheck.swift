import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Finds out whether a worker is there, and does what follows: one that is gone loses its jobs, one that is there is told
/// again what it may have missed. Each worker is checked by itself, until it is known; one that does not answer holds up
/// no other.
///
/// A job is taken from a worker by this alone, never by another worker's claim.
final class WorkerCheck: Service {
  private let store: any JobStore
  private let control: WorkerControl
  private let inbox: InboxMarks
  private let kept: KeptAttempts
  private let directory: WorkerDirectory
  private let parked: ParkedWorkers
  private let poisonLimit: Int
  private let clock: any ServerClock
  private let log: ServerLog

  private struct Line {
    var hasNews = true
    let news = Signal()
  }

  private let lines = Mutex<[WorkerID: Line]>([:])
  private let starts: AsyncStream<WorkerID>
  private let start: AsyncStream<WorkerID>.Continuation

  init(
    store: any JobStore, control: WorkerControl, inbox: InboxMarks, kept: KeptAttempts,
    directory: WorkerDirectory, parked: ParkedWorkers, poisonLimit: Int, clock: any ServerClock,
    log: ServerLog
  ) {
    self.store = store
    self.control = control
    self.inbox = inbox
    self.kept = kept
    self.directory = directory
    self.parked = parked
    self.poisonLimit = poisonLimit
    self.clock = clock
    self.log = log
    (starts, start) = AsyncStream.makeStream()
  }

  /// Has a worker checked, beside everything else, until it is known whether it is there.
  func check(_ worker: WorkerID) {
    let news = lines.withLock { lines in
      let line = lines[worker]
      lines[worker, default: Line()].hasNews = true
      return line?.news
    }
    if let news { news.raise() } else { start.yield(worker) }
  }

  /// How many workers are being checked.
  var count: Int { lines.withLock { $0.count } }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        for await worker in self.starts { group.addTask { await self.follow(worker) } }
      }
    }
  }

  private func follow(_ worker: WorkerID) async {
    var failures = 0
    while let news = next(worker, &failures) {
      guard await !settle(worker) else { continue }
      failures += 1
      lines.withLock { $0[worker]?.hasNews = true }
      await news.wait(atMost: RetryPauses.patient.pause(after: failures), clock: clock)
    }
  }

  private func next(_ worker: WorkerID, _ failures: inout Int) -> Signal? {
    lines.withLock { lines in
      guard let line = lines[worker], line.hasNews, !Task.isCancelled else {
        lines[worker] = nil
        return nil
      }
      lines[worker]?.hasNews = false
      return line.news
    }
  }

  /// Checks a worker now.
  ///
  /// - Returns: `false` when it could not be found out whether it is there, or what follows could not be done.
  func settle(_ worker: WorkerID) async -> Bool {
    switch await control.send(.ping, to: worker) {
    case .delivered:
      return await remind(worker)
    case .unknown:
      log.count(\.silentHolders)
      log.burst(
        .notice, "it is not known whether a worker is there; it is asked again",
        ["worker": "\(worker)"])
      return false
    case .gone:
      return await lose(worker)
    }
  }

  /// Takes all its jobs from a worker that is gone.
  private func lose(_ worker: WorkerID) async -> Bool {
    // Its last words may be in the inbox still; what a newer server will understand counts as well.
    guard await inbox.isReadUpToNow(), kept.isRead else { return false }
    // It may have come back meanwhile, and have said so.
    guard case .gone = await control.send(.ping, to: worker) else { return false }
    do {
      let lost = try await store.lose(
        worker, except: kept.all, poisonLimit: poisonLimit, at: clock.now)
      forget(worker)
      log.logger.notice(
        "a worker is gone", metadata: ["worker": "\(worker)", "lost-attempts": "\(lost.count)"])
      return true
    } catch {
      log.count(\.storeFailures)
      log.burst(
        .error, "the jobs of a worker that is gone could not be settled; it is tried again",
        ["worker": "\(worker)", "error": "\(error)"])
      return false
    }
  }

  private func forget(_ worker: WorkerID) {
    directory.remove(worker)
    parked.remove(worker)
  }

  /// A worker has ended, and has given back what it had.
  func farewell(_ worker: WorkerID) async throws(StoreError) {
    let left = try await store.lose(
      worker, except: kept.all, poisonLimit: poisonLimit, at: clock.now)
    forget(worker)
    log.logger.info(
      "a worker has ended", metadata: ["worker": "\(worker)", "left-attempts": "\(left.count)"])
  }

  /// Tells a worker again which of its attempts are to end.
  private func remind(_ worker: WorkerID) async -> Bool {
    do {
      var last: JobID?
      while !Task.isCancelled {
        let jobs = try await store.jobs(
          heldBy: worker, after: last, limit: Recovery.batchSize)
        guard let end = jobs.last else { break }
        last = end.id
        for job in jobs {
          guard let command = ControlCommand(ending: job) else { continue }
          if await control.send(command, to: worker) != .delivered { return false }
        }
      }
      return true
    } catch {
      log.count(\.storeFailures)
      log.burst(
        .error, "a worker could not be told again what it may have missed",
        ["worker": "\(worker)", "error": "\(error)"])
      return false
    }
  }
}

extension ControlCommand {
  /// What the worker of a job has to be told that is to end; `nil` for others.
  init?(ending job: Job) {
    switch job.status {
    case .canceling: self = .cancel(job: job.id, attempt: job.attempt, reason: job.cancelReason)
    case .suspending: self = .suspend(job: job.id, attempt: job.attempt)
    default: return nil
    }
  }
}

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
