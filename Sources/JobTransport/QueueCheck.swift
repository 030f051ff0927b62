package import AMQP
package import Jobs
package import Logging
import ServiceLifecycle

/// Sees to it, on each new connection of the server's, that its queues are in the form that they should have: an older Warren,
/// or an older broker, may have left them in another, and the broker refuses to declare them then.
///
/// A queue that holds nothing but tickets is made anew when it is empty and unused. Another is used as it is, and the log says
/// what to do about it.
package struct QueueCheck: Service {
  private let connection: Connection
  private let events: AsyncStream<ConnectionEvent>
  private let names: TransportNames
  private let virtualHost: String
  private let queues: @Sendable () -> [JobQueueName]
  private let logger: Logger

  /// - Parameters:
  ///   - connection: one that has not been made yet.
  ///   - virtualHost: the broker's, for what is logged.
  ///   - queues: the job queues that there are.
  package init(
    connection: Connection, names: TransportNames, virtualHost: String, logger: Logger,
    queues: @escaping @Sendable () -> [JobQueueName]
  ) {
    self.connection = connection
    events = connection.events()
    self.names = names
    self.virtualHost = virtualHost
    self.queues = queues
    self.logger = logger
  }

  package func run() async throws {
    await cancelWhenGracefulShutdown {
      for await case .connected in events { await check() }
    }
  }

  private func check() async {
    let version = await connection.brokerVersion
    let queues = queues()
    let work = JobTopology.work(names, queues: queues, broker: version)
    for queue in JobTopology.server(names, queues: queues, broker: version).queues {
      do {
        try await check(queue, work)
      } catch {
        logger.warning(
          "a queue could not be checked",
          metadata: ["queue": "\(queue.name)", "error": "\(error)"])
        guard case .channelClosed = error else { return }
      }
    }
  }

  private func check(_ queue: QueueDeclaration, _ work: Topology) async throws(AMQPError) {
    let bindings = work.bindings.filter { $0.destination == .queue(queue.name) }
    do throws(AMQPError) {
      try await connection.declare(Topology(queues: [queue]))
    } catch .channelClosed(406, let reason) {
      if work.queues.contains(queue), try await migrate(queue, bindings) {
        logger.notice(
          "a queue had other arguments; it was empty, and has been made anew",
          metadata: ["queue": "\(queue.name)", "reason": "\(reason)"])
        return
      }
      let command = QueueAdvice.command(for: queue, refused: reason, virtualHost: virtualHost)
      logger.error(
        "a queue has other arguments than it should have, and is used as it is; see docs/operations.md",
        metadata: [
          "queue": "\(queue.name)", "reason": "\(reason)", "command": "\(command)",
        ])
      // What leads to it may be missing.
      try await connection.declare(Topology(bindings: bindings))
    }
  }

  /// Should a ticket come in between, it is lost, noticed as such and issued again.
  private func migrate(
    _ queue: QueueDeclaration, _ bindings: [Binding]
  ) async throws(AMQPError) -> Bool {
    let present = try await connection.inspect(queue: queue.name)
    guard present.messages == 0, present.consumers == 0 else { return false }
    try await connection.delete(queue: queue.name)
    try await connection.declare(Topology(queues: [queue], bindings: bindings))
    return true
  }
}

/// What to do about a queue that is there in another form than it is declared.
enum QueueAdvice {
  /// What one can run to mend it.
  ///
  /// Arguments that the queue lacks can be given to it by a policy, which keeps what is in it. What it has otherwise can only
  /// be had by deleting it, and RabbitMQ does not delete a quorum queue under the condition that it is empty: that is left to
  /// somebody who knows that nothing publishes to it.
  ///
  /// - Parameter reason: the broker's words; `inequivalent arg 'x-…' … but current is none` names what is lacking.
  static func command(
    for queue: QueueDeclaration, refused reason: String, virtualHost: String
  ) -> String {
    let name = queue.name.quoted
    let policy = policy(for: queue)
    guard reason.contains("but current is none"), !policy.isEmpty else {
      return
        "rabbitmqctl delete_queue -p \(virtualHost.quoted) \(name) (with what is in it: run it empty first)"
    }
    let pattern = "^\(queue.name.replacing(".", with: #"\."#))$".quoted
    return
      "rabbitmqctl set_policy -p \(virtualHost.quoted) --priority 1 --apply-to queues \(name) \(pattern) \(policy.quoted)"
  }

  /// The arguments that a policy can set, as its definition; empty when there are none.
  private static func policy(for queue: QueueDeclaration) -> String {
    var members: [String] = []
    for name in ["dead-letter-exchange", "dead-letter-strategy", "overflow"] {
      guard let value = queue.arguments["x-\(name)"]?.stringValue else { continue }
      members.append(#""\#(name)":"\#(value)""#)
    }
    // RabbitMQ takes "no limit" from an argument only; from a policy, a limit that is never reached.
    if queue.arguments["x-delivery-limit"] != nil { members.append(#""delivery-limit":1000000"#) }
    return members.isEmpty ? "" : "{\(members.joined(separator: ","))}"
  }
}

extension String {
  /// As one word of a shell.
  fileprivate var quoted: String { "'\(replacing("'", with: #"'\''"#))'" }
}
