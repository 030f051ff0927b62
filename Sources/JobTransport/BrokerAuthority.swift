package import AMQP
package import Jobs

/// The server, reached through the broker: claims are asked over direct reply-to, reports are laid into a durable queue.
package struct BrokerAuthority: JobAuthority {
  private let connection: Connection
  private let names: TransportNames
  private let patience: Duration

  /// How long a claim is waited for that is asked for the first time: a server that ends takes the claims that it has read with
  /// it, and the tickets of the worker lie idle until they are asked again.
  private static let firstPatience = Duration.seconds(5)

  /// - Parameter patience: how long one question or one report may take.
  package init(connection: Connection, names: TransportNames, patience: Duration = .seconds(10)) {
    self.connection = connection
    self.names = names
    self.patience = patience
  }

  package func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer] {
    do {
      // What was asked before may be slow to answer: then asking often would make it slower.
      let isFirst = !requests.contains(where: \.isRepeated)
      let answers = try WireCoding.answers(
        await ask(
          try WireCoding.message(requests),
          within: isFirst ? min(Self.firstPatience, patience) : patience))
      guard answers.count == requests.count else {
        throw AuthorityError("\(requests.count) claims got \(answers.count) answers")
      }
      return answers
    } catch {
      throw AuthorityError("the server did not answer a claim: \(error)")
    }
  }

  package func lock(_ requests: [LockRequest]) async throws(AuthorityError) -> [LockAnswer] {
    do {
      let answers = try WireCoding.lockAnswers(
        await ask(try WireCoding.message(requests), within: patience))
      guard answers.count == requests.count else {
        throw AuthorityError("\(requests.count) locks got \(answers.count) answers")
      }
      return answers
    } catch {
      throw AuthorityError("the server did not answer a lock: \(error)")
    }
  }

  private func ask(
    _ question: Message, within patience: Duration
  ) async throws(AMQPError) -> Message {
    var message = question
    // Nobody is left to hear an answer that comes later.
    message.properties.expiration = String(max(1, patience.milliseconds))
    return try await connection.request(
      Publication(message, exchange: names.claims, routingKey: "", mandatory: true),
      timeout: patience)
  }

  package func report(_ reports: [JobReport]) async throws(AuthorityError) {
    try await send(.reports(reports))
  }

  /// Hands over any message of the worker's; returns once the broker has confirmed it.
  package func send(_ content: WorkerMessage) async throws(AuthorityError) {
    let message: Message
    do {
      message = try WireCoding.message(content)
    } catch {
      throw AuthorityError(error.description)
    }
    let verdict = await connection.publish(
      Publication(message, exchange: names.reports, routingKey: "", mandatory: true),
      timeout: patience)
    guard verdict == .confirmed else {
      throw AuthorityError("the broker did not take a report: \(verdict)")
    }
  }
}
