import AMQP
import JobStore
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Issues a ticket for each job that waits and is due. The row is there first, then the ticket, then the note that the broker
/// has it: a crash in between leads to a second ticket, which is harmless.
struct Dispatcher: Service {
  /// The most tickets of one turn: one read, one batch of publications, one transaction.
  static let batchLimit = 500

  let store: StatusStore
  let connection: Connection
  let names: TransportNames
  /// Raised when there may be something to issue.
  let work: Signal
  let logger: Logger

  func run() async throws {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        do {
          try await turn()
        } catch {
          logger.error("tickets cannot be issued now", metadata: ["error": "\(error)"])
          await pause()
        }
      }
    }
  }

  private func turn() async throws {
    let now = Timestamp.now
    let due = try await store.due(at: now, limit: Self.batchLimit)
    guard !due.isEmpty else {
      let next = try await store.nextDue(after: now)
      // A clock that is set meanwhile is noticed within the minute.
      let wait = next.map { min(max($0 - .now, .zero), .seconds(60)) }
      await work.wait(atMost: wait)
      return
    }
    let issued = try await publish(due)
    if !issued.isEmpty {
      _ = try await store.update(issued.map(\.id)) { index, job in
        job.noteTicket(afterAttempt: issued[index].attempt)
      }
    }
    if issued.count < due.count { await pause() }
  }

  /// - Returns: the jobs whose tickets the broker has confirmed.
  private func publish(_ jobs: [Job]) async throws -> [Job] {
    let verdicts = await connection.publish(
      try jobs.map { job in
        Publication(
          try WireCoding.message(Ticket(job: job.id, type: job.type)),
          exchange: names.work, routingKey: job.queue.rawValue, mandatory: true)
      })
    var issued: [Job] = []
    var missing: Set<JobQueueName> = []
    for (job, verdict) in zip(jobs, verdicts) {
      switch verdict {
      case .confirmed: issued.append(job)
      case .returned: missing.insert(job.queue)
      case .nacked, .notSent, .unknown:
        logger.notice(
          "a ticket was not confirmed and is issued again",
          metadata: ["job": "\(job.id)", "verdict": "\(verdict)"])
      }
    }
    if !missing.isEmpty {
      logger.warning(
        "queues were missing and are declared again", metadata: ["queues": "\(missing.sorted())"])
      await declare(missing)
    }
    return issued
  }

  /// One that the broker refuses is not to hold up the others.
  private func declare(_ queues: Set<JobQueueName>) async {
    for queue in queues {
      do {
        try await connection.declare(JobTopology.work(names, queues: [queue]))
      } catch {
        logger.error(
          "a queue cannot be declared; its jobs wait",
          metadata: ["queue": "\(names.queue(queue))", "error": "\(error)"])
      }
    }
  }

  private func pause() async {
    // Ends early only when the task is cancelled, which the loop looks at next.
    try? await Task.sleep(for: .milliseconds(500))
  }
}
