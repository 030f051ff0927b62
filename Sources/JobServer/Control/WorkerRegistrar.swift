import AMQP
import JobTransport
import Jobs
import Logging
import Synchronization

/// Takes in what workers say of themselves: the directory learns of them, the catalog of their job types.
struct WorkerRegistrar: Sendable {
  let authority: ServerAuthority
  let directory: WorkerDirectory
  let catalog: Catalog
  let initializer: Initializer
  let leases: any LeaseWatching
  let workers: WorkerCheck
  let parked: ParkedWorkers
  let store: any JobStore
  let connection: any MessageBroker
  let names: TransportNames
  /// What is asked of the broker without waiting for it.
  let declarations: PeerTasks<JobQueueName>
  let log: ServerLog

  func welcome(_ announcement: WorkerAnnouncement) async throws(StoreError) {
    // The types first: whoever sees the worker may schedule what it can run. The server's own it knows by itself.
    let queues = try await catalog.add(
      queues: announcement.queues.filter { !$0.name.isReserved },
      groups: announcement.groups.filter {
        $0.name != JobTypeID.reservedGroup && !$0.queue.isReserved
      }, types: announcement.types.filter { !$0.id.isReserved })
    for type in announcement.types
    where type.id.isReserved && catalog.type(type.id)?.description != type {
      log.logger.error(
        "a worker's job type is refused: the group \(JobTypeID.reservedGroup) is the server's own",
        metadata: ["worker": "\(announcement.worker)", "type": "\(type.id)"])
    }
    for refused in announcement.refusedTypes {
      log.logger.error(
        "a worker's job type is refused for its schema; the worker's other types are taken",
        metadata: [
          "worker": "\(announcement.worker)", "type": "\(refused.id)",
          "reason": "\(refused.reason)",
        ])
    }
    for queue in queues {
      // One that is let go is declared when its first ticket comes back.
      _ = declarations.submit(to: queue) { await declare(queue) }
    }
    directory.add(announcement)
    initializer.wake()
    // Before its lease is watched: the watch takes the jobs of one whose announcement has outlived it.
    try await authority.register(
      WorkerRegistration(
        worker: announcement.worker, epoch: announcement.epoch, running: announcement.running))
    try await park(announcement)
    leases.watch(announcement.worker)
    log.logger.info(
      "a worker is here",
      metadata: [
        "worker": "\(announcement.worker)",
        "queues": "\(announcement.queues.map { "\($0.name):\($0.capacity)" })",
        "types": "\(announcement.types.map(\.id))",
      ])
  }

  private func declare(_ queue: JobQueueName) async {
    do {
      try await connection.declare(
        JobTopology.work(names, queues: [queue], broker: connection.brokerVersion))
    } catch .channelClosed(let code, let text) {
      log.logger.error(
        "the broker refuses the queue of a worker; delete or rename the one that is there",
        metadata: ["queue": "\(names.queue(queue))", "code": "\(code)", "reason": "\(text)"])
    } catch {
      log.logger.warning(
        "the queue of a worker could not be declared; it is when its first ticket comes back",
        metadata: ["queue": "\(names.queue(queue))", "error": "\(error)"])
    }
  }

  /// A server that has been away did not hear which queues the worker was told to leave alone.
  private func park(_ announcement: WorkerAnnouncement) async throws(StoreError) {
    guard let queues = announcement.parked, !queues.isEmpty else { return }
    let groups = Dictionary(announcement.groups.map { ($0.name, $0.queue) }) { $1 }
    for queue in queues {
      let types = announcement.types.map(\.id).filter { groups[$0.group] == queue }
      parked.park(announcement.worker, in: queue, types: Set(types))
    }
    parked.wake(for: try await store.due())
  }

  /// A worker ends, and has given back what it had.
  func farewell(_ worker: WorkerID) async throws(StoreError) {
    try await workers.farewell(worker)
  }
}

/// The workers that have announced themselves and are not known to be gone.
final class WorkerDirectory: Sendable {
  private let workers = Mutex<[WorkerID: WorkerAnnouncement]>([:])

  func add(_ announcement: WorkerAnnouncement) {
    workers.withLock { $0[announcement.worker] = announcement }
  }

  func contains(_ worker: WorkerID) -> Bool {
    workers.withLock { $0[worker] != nil }
  }

  func remove(_ worker: WorkerID) {
    _ = workers.withLock { $0.removeValue(forKey: worker) }
  }

  /// Those that have a callback of a job type, in any order.
  func workers(of type: JobTypeID, with callback: JobCallback) -> [WorkerID] {
    workers.withLock { workers in
      workers.values.filter { announcement in
        announcement.types.contains { $0.id == type && $0.callbacks.contains(callback) }
      }.map(\.worker)
    }.shuffled()
  }

  /// How many jobs of a queue the workers can run together.
  func capacity(for queue: JobQueueName) -> Int {
    workers.withLock { workers in
      workers.values.flatMap(\.queues).filter { $0.name == queue }.map(\.capacity).reduce(0, +)
    }
  }

  var all: [WorkerAnnouncement] {
    workers.withLock { $0.values.sorted { $0.worker.rawValue < $1.worker.rawValue } }
  }
}

/// Which workers have been seen on the server's present connection to the broker, so that the absence of a worker's queue
/// can be told from a broker that has just come back and has no queues yet.
///
/// A queue that was there, and is no more, has gone with its worker's connection. One that has not been seen since the
/// server connected may be on its way: it counts as gone only after the time in which workers reconnect.
final class Presence: Sendable {
  private struct State {
    var generation: UInt64 = 0
    var since: Duration
    var seen: Set<WorkerID> = []

    mutating func follow(_ current: UInt64, at uptime: Duration) {
      guard current != generation else { return }
      self = State(generation: current, since: uptime)
    }
  }

  /// How long workers may take to come back.
  let grace: Duration
  private let clock: any ServerClock
  private let state: Mutex<State>

  init(grace: Duration, clock: any ServerClock = SystemClock()) {
    self.grace = grace
    self.clock = clock
    state = Mutex(State(since: clock.uptime))
  }

  /// The worker's queue was there, on this connection of the server's.
  func saw(_ worker: WorkerID, on generation: UInt64) {
    state.withLock { state in
      state.follow(generation, at: clock.uptime)
      state.seen.insert(worker)
    }
  }

  /// Whether a queue that is not there proves that its worker is gone.
  func isGone(_ worker: WorkerID, on generation: UInt64) -> Bool {
    state.withLock { state in
      state.follow(generation, at: clock.uptime)
      return state.seen.contains(worker) || clock.uptime - state.since > grace
    }
  }
}
