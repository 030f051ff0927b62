import AMQP
import JobTransport
import Jobs
import Logging

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
    // The types first: whoever sees the worker may schedule what it can run.
    let queues = try await catalog.add(
      queues: announcement.queues, groups: announcement.groups, types: announcement.types)
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
