import AMQP
import JobStore
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
    try await authority.attest(announcement.running, by: announcement.worker)
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

  func farewell(_ worker: WorkerID) {
    directory.remove(worker)
    log.logger.info("a worker has ended", metadata: ["worker": "\(worker)"])
  }
}
