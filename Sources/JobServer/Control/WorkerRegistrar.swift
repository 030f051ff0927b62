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
  let leases: LeaseWatch
  let connection: Connection
  let names: TransportNames
  let logger: Logger

  func welcome(_ announcement: WorkerAnnouncement) async throws {
    // The types first: whoever sees the worker may schedule what it can run.
    let queues = try await catalog.add(
      queues: announcement.queues, groups: announcement.groups, types: announcement.types)
    for queue in queues { try await declare(queue) }
    directory.add(announcement)
    initializer.wake()
    // Before its lease is watched: the watch takes the jobs of one whose announcement has outlived it.
    try await authority.attest(announcement.running, by: announcement.worker)
    leases.watch(announcement.worker)
    logger.info(
      "a worker is here",
      metadata: [
        "worker": "\(announcement.worker)",
        "queues": "\(announcement.queues.map { "\($0.name):\($0.capacity)" })",
        "types": "\(announcement.types.map(\.id))",
      ])
  }

  /// A queue that the broker refuses, because it is there in another form, must not hold up what others report.
  private func declare(_ queue: JobQueueName) async throws(AMQPError) {
    do {
      try await connection.declare(JobTopology.work(names, queues: [queue]))
    } catch .channelClosed(let code, let text) {
      logger.error(
        "the broker refuses the queue of a worker; delete or rename the one that is there",
        metadata: ["queue": "\(names.queue(queue))", "code": "\(code)", "reason": "\(text)"])
    }
  }

  func farewell(_ worker: WorkerID) {
    directory.remove(worker)
    logger.info("a worker has ended", metadata: ["worker": "\(worker)"])
  }
}
