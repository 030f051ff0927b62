import AMQP
import JobTransport
import Jobs
import Logging

/// Follows the server's commands, which come through the worker's exclusive queue. It is on the connection that the jobs
/// come through as well, so that the lease and the deliveries end together.
struct ControlDesk: Sendable {
  let worker: WorkerID
  let consuming: Connection
  let publishing: Connection
  let names: TransportNames
  let jobs: JobsAtHand
  let announcer: Announcer
  let lifecycle: WorkerLifecycle
  let patience: Duration
  let logger: Logger

  /// Runs until the task is cancelled: a worker that drains obeys still.
  func run() async {
    do {
      // A command that is lost with the connection is given again.
      let subscription = Subscription(queue: names.worker(worker), prefetch: 0, noAck: true)
      guard
        let consumer = try await consuming.subscribe(subscription, until: lifecycle, logger: logger)
      else { return }
      try await withThrowingDiscardingTaskGroup { group in
        for try await deliveries in consumer {
          let replies = deliveries.compactMap(follow)
          // The next command does not wait for these to be confirmed.
          if !replies.isEmpty { group.addTask { await send(replies) } }
        }
      }
    } catch {
      // Without its control queue the worker counts as gone.
      lifecycle.fail(error)
    }
  }

  /// - Returns: the reply, where one is asked for.
  private func follow(_ delivery: Delivery) -> Publication? {
    do {
      switch try WireCoding.command(delivery.message) {
      case .cancel(let job, let attempt): jobs.cancel(job, attempt: attempt)
      case .stop(let job, let attempt): jobs.stop(job, attempt: attempt)
      case .announce: announcer.wake()
      case .confirm(let job):
        return try reply(jobs.has(job) ? .has : .hasNot, to: delivery.message)
      }
    } catch {
      logger.warning("a command was not understood", metadata: ["error": "\(error)"])
    }
    return nil
  }

  private func reply(
    _ reply: ControlReply, to question: Message
  ) throws(WireError) -> Publication? {
    guard let address = question.properties.replyTo else {
      logger.warning("a question names no reply_to, so that nobody can be answered")
      return nil
    }
    var message = try WireCoding.message(reply)
    message.properties.correlationID = question.properties.correlationID
    return Publication(message, exchange: "", routingKey: address)
  }

  private func send(_ replies: [Publication]) async {
    for verdict in await publishing.publish(replies, timeout: patience) where verdict != .confirmed
    {
      logger.notice("a reply was not delivered", metadata: ["verdict": "\(verdict)"])
    }
  }
}
