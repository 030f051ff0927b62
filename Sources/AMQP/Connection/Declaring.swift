import Logging

/// What a connection declares, again after each reconnect. Belongs to the connection's actor.
final class DeclaredTopology {
  private let description: @Sendable (BrokerInfo) -> Topology
  private var lastDescribed = Topology()
  private(set) var all = Topology()
  /// Queues that are being deleted: their consumers are not to declare them again.
  private var deleting: Set<String> = []
  /// What was refused and has been told of, until it is accepted.
  private var told: Set<String> = []

  init(_ description: @escaping @Sendable (BrokerInfo) -> Topology) {
    self.description = description
  }

  convenience init(_ topology: Topology) {
    self.init { _ in topology }
    all = topology
  }

  /// Takes what is to be there on that broker.
  func describe(_ broker: BrokerInfo) {
    let next = description(broker)
    all.replace(lastDescribed, with: next)
    lastDescribed = next
  }

  func add(_ topology: Topology) { all.merge(topology) }

  func remove(_ binding: Binding) { all.bindings.removeAll { $0 == binding } }

  func remove(queue: String) { all.remove(queue: queue) }

  func remove(exchange: String) { all.remove(exchange: exchange) }

  func begin(deleting queue: String) { deleting.insert(queue) }

  func end(deleting queue: String) { deleting.remove(queue) }

  /// Whether that queue is to be there.
  func wants(queue: String) -> Bool {
    !deleting.contains(queue) && all.queues.contains { $0.name == queue }
  }

  /// What is to be declared, in order.
  var methods: [OutboundMethod] {
    all.exchanges.map { .exchangeDeclare($0) }
      + all.queues.filter { !deleting.contains($0.name) }.map { .queueDeclare($0) }
      + all.bindings.map { .bind($0) }
  }

  /// Something was refused: whether that is news.
  func refused(_ what: String) -> Bool { told.insert(what).inserted }

  /// Something was accepted: whether it had been refused before.
  func accepted(_ what: String) -> Bool { told.remove(what) != nil }
}

/// What was there already while a topology was declared.
struct FoundParts {
  private var exchanges: Set<String> = []
  private var queues: Set<String> = []

  mutating func note(_ method: OutboundMethod) {
    switch method {
    case .exchangeDeclare(let exchange): exchanges.insert(exchange.name)
    case .queueDeclare(let queue): queues.insert(queue.name)
    default: break
    }
  }

  /// Whether it is a binding between two parts that were there: whoever made them has bound them.
  func covers(_ method: OutboundMethod) -> Bool {
    guard case .bind(let binding) = method, exchanges.contains(binding.source) else {
      return false
    }
    return switch binding.destination {
    case .queue(let name): queues.contains(name)
    case .exchange(let name): exchanges.contains(name)
    }
  }
}

extension Connection {
  /// Declares exchanges, then queues, then bindings, and remembers them: they are declared again
  /// after each reconnect.
  ///
  /// While there is no connection it waits for one, for at most `rpcTimeout`. What the broker
  /// refuses is not remembered.
  ///
  /// What this user may not declare is taken as it is where it is there: somebody else sees to it.
  /// How it was declared cannot be asked then, nor whether a binding is there whose ends are.
  ///
  /// Throws ``AMQPError/channelClosed(code:text:)`` with the broker's reason: 406 if it exists with
  /// other properties, 405 if it is exclusive to another connection, 404 if a binding's end does
  /// not exist, 403 if it is not there and this user may not declare it.
  public func declare(_ topology: Topology) async throws(AMQPError) {
    try topology.check()
    let methods = DeclaredTopology(topology).methods
    try await retrying { () throws(AMQPError) in
      var found = FoundParts()
      for method in methods { try await make(method, &found) }
    }
    declared.add(topology)
  }

  /// Makes a binding, and remembers it.
  public func bind(_ binding: Binding) async throws(AMQPError) {
    try await declare(Topology(bindings: [binding]))
  }

  /// Removes a binding, and forgets it once the broker has agreed.
  public func unbind(_ binding: Binding) async throws(AMQPError) {
    try Topology(bindings: [binding]).check()
    _ = try await retrying { () throws(AMQPError) in try await control(.unbind(binding)) }
    declared.remove(binding)
  }

  /// Makes a queue that is named by the broker, and returns its name. It goes with this connection
  /// (`exclusive`) or with its last consumer (`autoDelete`); since its name is no longer valid then,
  /// it is not declared again after a reconnect: whoever needs it listens to ``events()`` and makes
  /// another one.
  public func declareServerNamedQueue(
    exclusive: Bool = true, autoDelete: Bool = true, arguments: FieldTable = [:]
  ) async throws(AMQPError) -> String {
    let queue = QueueDeclaration(
      "", durable: false, exclusive: exclusive, autoDelete: autoDelete, arguments: arguments)
    let answer = try await retrying { () throws(AMQPError) in
      try await control(.queueDeclare(queue))
    }
    guard case .declared(let name, _, _) = answer else {
      throw .protocolViolation("\(answer) instead of queue.declare-ok")
    }
    return name
  }

  /// Deletes a queue, and forgets it and its bindings once the broker has agreed. Returns how many
  /// messages went with it.
  ///
  /// Throws ``AMQPError/channelClosed(code:text:)`` with code 406 if a condition is not met.
  @discardableResult
  public func delete(
    queue: String, ifUnused: Bool = false, ifEmpty: Bool = false
  ) async throws(AMQPError) -> Int {
    try ShortString.check(queue, "the queue's name")
    // The broker may end the queue's consumers before it answers, and they are not to declare the
    // queue again.
    declared.begin(deleting: queue)
    defer { declared.end(deleting: queue) }
    let removed = try await removed(
      retrying { () throws(AMQPError) in
        try await control(.queueDelete(queue, ifUnused: ifUnused, ifEmpty: ifEmpty))
      })
    declared.remove(queue: queue)
    return removed
  }

  /// Deletes an exchange, and forgets it and its bindings once the broker has agreed.
  ///
  /// Throws ``AMQPError/channelClosed(code:text:)`` with code 406 if a condition is not met.
  public func delete(exchange: String, ifUnused: Bool = false) async throws(AMQPError) {
    try ShortString.check(exchange, "the exchange's name")
    _ = try await retrying { () throws(AMQPError) in
      try await control(.exchangeDelete(exchange, ifUnused: ifUnused))
    }
    declared.remove(exchange: exchange)
  }

  /// Removes the messages that wait in a queue (not those that are delivered and unacknowledged).
  /// Returns how many.
  @discardableResult
  public func purge(queue: String) async throws(AMQPError) -> Int {
    try ShortString.check(queue, "the queue's name")
    return try await removed(
      retrying { () throws(AMQPError) in try await control(.queuePurge(queue)) })
  }

  /// Asks how many messages and consumers a queue has.
  ///
  /// Throws ``AMQPError/channelClosed(code:text:)`` with code 404 if there is no such queue.
  public func inspect(queue: String) async throws(AMQPError) -> QueueInfo {
    try ShortString.check(queue, "the queue's name")
    let answer = try await retrying { () throws(AMQPError) in
      try await control(.queueInspect(queue))
    }
    guard case .declared(let name, let messages, let consumers) = answer else {
      throw .protocolViolation("\(answer) instead of queue.declare-ok")
    }
    return QueueInfo(name: name, messages: messages, consumers: consumers)
  }

  /// Asks whether there is an exchange of that name.
  ///
  /// Throws ``AMQPError/channelClosed(code:text:)`` with code 404 if there is not.
  public func inspect(exchange: String) async throws(AMQPError) {
    try ShortString.check(exchange, "the exchange's name")
    _ = try await retrying { () throws(AMQPError) in try await control(.exchangeInspect(exchange)) }
  }

  /// Declares or binds, unless it is there and taken as it is.
  private func make(
    _ method: OutboundMethod, _ found: inout FoundParts
  ) async throws(AMQPError) {
    if found.covers(method) { return }
    if method.isTakenAsFound, let inspection = method.inspections.first {
      do {
        _ = try await control(inspection)
        return found.note(method)
      } catch {
        guard error.replyCode == ReplyCode.notFound else { throw error }
      }
    }
    try await make(method)
  }

  /// Declares or binds; looks whether it is there where the user may not.
  private func make(_ method: OutboundMethod) async throws(AMQPError) {
    let refusal: AMQPError
    do {
      _ = try await control(method)
      return
    } catch {
      guard error.replyCode == ReplyCode.accessRefused, !method.inspections.isEmpty else {
        throw error
      }
      refusal = error
    }
    for inspection in method.inspections {
      do {
        _ = try await control(inspection)
      } catch {
        throw error.replyCode == ReplyCode.notFound ? refusal : error
      }
    }
    guard case .bind = method else {
      logger.debug(
        "Not declared, since it is there and this user may not",
        metadata: ["what": "\(method.subject)"])
      return
    }
    // The broker tells nobody which bindings there are.
    logger.notice(
      "Not bound, since this user may not; taken for bound, since both ends are there",
      metadata: ["what": "\(method.subject)"])
  }

  private func control(_ method: OutboundMethod) async throws(AMQPError) -> InboundMethod {
    try await call(method, on: controlChannel())
  }

  private func removed(_ answer: InboundMethod) throws(AMQPError) -> Int {
    guard case .removed(let messages) = answer else {
      throw .protocolViolation("\(answer) instead of purge-ok or delete-ok")
    }
    return Int(messages)
  }

  /// Declares what is remembered, and returns what the broker refuses. Throws if the connection is
  /// lost.
  @discardableResult
  func declareAgain(_ session: Session) async throws(AMQPError) -> [String: AMQPError] {
    var refused: [String: AMQPError] = [:]
    var found = FoundParts()
    for method in declared.methods {
      let what = method.subject
      do throws(AMQPError) {
        try await make(method, &found)
        if declared.accepted(what) {
          logger.notice("Accepted by the broker at last", metadata: ["what": "\(what)"])
        }
      } catch {
        guard self.session === session else { throw error }
        refused[what] = error
        guard declared.refused(what) else { continue }
        lastError = error
        logger.error(
          "Refused by the broker, and tried again by itself",
          metadata: ["what": "\(what)", "error": "\(error)"])
        hub.emit(.declarationRefused(what, error))
      }
    }
    return refused
  }

  /// Declares again until nothing is refused, or the connection is lost (after which all is done
  /// anew).
  func redeclare() async {
    guard let session else { return }
    var backoff = Backoff(configuration.reconnect)
    while true {
      await pause(backoff.next(), endsWithSession: true)
      guard self.session === session, !isStopping,
        let refused = try? await declareAgain(session), !refused.isEmpty
      else { return }
    }
  }
}
