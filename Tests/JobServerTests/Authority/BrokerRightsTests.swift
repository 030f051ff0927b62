import AMQP
import Foundation
import JobTransport
import Jobs
import Logging
import TestSupport
import Testing

/// What the broker lets each user do. Whether that is enough for the work, the integration tests show.
@Suite("The rights of the broker's users", .needsBroker, .timeLimit(.minutes(3)))
struct BrokerRightsTests {
  private static let quiet = Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() }
  private let names: TransportNames

  init() throws {
    names = try TransportNames()
  }

  /// All that the server declares.
  private var shared: Topology { JobTopology.server(names, queues: [.compute], broker: nil) }

  /// A broker whose users have the rights of their roles, with all that the server, as its user, has declared.
  private func withBroker(
    _ body: @escaping @Sendable (ThrowawayBroker) async throws -> Void
  ) async throws {
    try await ThrowawayBroker.with { broker in
      for role in BrokerRole.allCases {
        let rights = role.permissions(names)
        try await broker.control("add_user", role.rawValue, "secret")
        try await broker.control(
          "set_permissions", "-p", "/", role.rawValue, rights.configure, rights.write, rights.read)
        guard let topic = role.topicPermissions(names) else { continue }
        try await broker.control(
          "set_topic_permissions", "-p", "/", role.rawValue, names.events, topic.write, topic.read)
      }
      try await connected(.server, to: broker) { [shared] server in
        try await server.declare(shared)
        try await body(broker)
      }
    }
  }

  private func connected(
    _ role: BrokerRole, to broker: ThrowawayBroker,
    _ body: @escaping @Sendable (Connection) async throws -> Void
  ) async throws {
    let url = broker.url.replacing("guest:guest", with: "\(role.rawValue):secret")
    let connection = Connection(
      configuration: try ConnectionConfiguration(url: url), topology: Topology(),
      logger: Self.quiet)
    try await withThrowingTaskGroup { group in
      group.addTask { try await connection.run() }
      defer { group.cancelAll() }
      try await connection.waitUntilReady(timeout: .seconds(30))
      try await body(connection)
    }
  }

  /// Nothing of what is there can be bound, deleted or emptied, nor can anything that is not the user's own be made.
  ///
  /// To bind takes what to unbind takes; but a connection takes a binding that it may not make for one that is there.
  private func expectNothingIsDeclared(
    by connection: Connection, mayEmpty: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let made = [
      Topology(queues: [.quorum("jobs.more")]), Topology(queues: [.classic("mine")]),
      Topology(exchanges: [ExchangeDeclaration("jobs.more", kind: .fanout)]),
    ]
    for topology in made {
      await expectRefused("\(topology)", sourceLocation) { try await connection.declare(topology) }
    }
    for exchange in shared.exchanges.map(\.name) {
      await expectRefused("delete exchange \(exchange)", sourceLocation) {
        try await connection.delete(exchange: exchange)
      }
    }
    for queue in shared.queues.map(\.name) {
      await expectRefused("delete \(queue)", sourceLocation) {
        try await connection.delete(queue: queue)
      }
      guard !mayEmpty.contains(queue) else { continue }
      await expectRefused("purge \(queue)", sourceLocation) {
        try await connection.purge(queue: queue)
      }
      await expectRefused("get from \(queue)", sourceLocation) {
        _ = try await connection.get(queue: queue)
      }
    }
    for source in shared.exchanges.map(\.name) {
      await expectRefused("bind to \(source)", sourceLocation) {
        try await connection.unbind(
          Binding(queue: "jobs.compute", source: source, routingKey: "#"))
      }
    }
  }

  private func expectRefused(
    _ what: String, _ sourceLocation: SourceLocation, code: UInt16 = 403,
    _ body: () async throws -> Void
  ) async {
    do {
      try await body()
      Issue.record("\(what) is allowed", sourceLocation: sourceLocation)
    } catch {
      #expect(
        (error as? AMQPError)?.replyCode == code, "\(what): \(error)",
        sourceLocation: sourceLocation)
    }
  }

  /// It can publish to these exchanges, and to no other.
  private func expectPublishing(
    to allowed: Set<String>, by connection: Connection,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async {
    for exchange in shared.exchanges.map(\.name) + ["", "amq.topic", "amq.fanout"] {
      let message = Message(body: Array("{}".utf8))
      let key = exchange.isEmpty ? "jobs.reports" : "compute"
      let verdict = await connection.publish(
        Publication(message, exchange: exchange, routingKey: key), timeout: .seconds(10))
      #expect(
        (verdict == .confirmed) == allowed.contains(exchange), "\(exchange): \(verdict)",
        sourceLocation: sourceLocation)
      if !allowed.contains(exchange) {
        #expect("\(verdict)".contains("403"), "\(exchange): \(verdict)")
      }
    }
  }

  /// One broker for all of them: it takes seconds to start.
  @Test("let each do its work, and nothing else")
  func rights() async throws {
    try await withBroker { broker in
      try await producer(of: broker)
      try await worker(of: broker)
      try await service(of: broker)
      try await operators(of: broker)
    }
  }

  /// A producer submits and asks, and reads what comes back to it.
  private func producer(of broker: ThrowawayBroker) async throws {
    try await connected(.producer, to: broker) { producer in
      await expectPublishing(to: [names.submit, names.requests], by: producer)
      try await expectNothingIsDeclared(by: producer)
      let replies = names.replies(WorkerID())
      try await producer.declare(
        JobTopology.service(names, replies: replies, broker: producer.broker?.version))
      #expect(try await producer.get(queue: replies) == nil)
      for source in shared.exchanges.map(\.name) {
        await expectRefused("bind to \(source)", #_sourceLocation) {
          try await producer.unbind(Binding(queue: replies, source: source, routingKey: "#"))
        }
      }
      try await connected(.producer, to: broker) { other in
        await expectRefused("read another's replies", #_sourceLocation, code: 405) {
          _ = try await other.get(queue: replies)
        }
      }
      try await expectToBeItself(producer, names.submit)
    }
  }

  /// The broker refuses a message that names another user.
  private func expectToBeItself(_ connection: Connection, _ exchange: String) async throws {
    var message = Message(body: Array("{}".utf8))
    message.properties.userID = "server"
    let verdict = await connection.publish(
      Publication(message, exchange: exchange, routingKey: ""), timeout: .seconds(10))
    #expect("\(verdict)".contains("406"), "\(verdict)")
  }

  /// A worker takes tickets, claims, reports and answers, and is commanded.
  private func worker(of broker: ThrowawayBroker) async throws {
    try await connected(.worker, to: broker) { worker in
      await expectPublishing(
        to: [names.claims, names.reports, names.answers, names.leases], by: worker)
      try await expectNothingIsDeclared(by: worker, mayEmpty: ["jobs.compute"])
      #expect(try await worker.get(queue: "jobs.compute") == nil)
      let id = WorkerID(rawValue: "w-1")
      try await worker.declare(
        JobTopology.worker(
          names, id: id, queues: [.compute], broker: worker.broker?.version))
      #expect(try await worker.get(queue: names.worker(id)) == nil)
      for source in shared.exchanges.map(\.name)
      where source != names.control && source != names.leases {
        await expectRefused("bind to \(source)", #_sourceLocation) {
          try await worker.unbind(
            Binding(queue: names.worker(id), source: source, routingKey: "#"))
        }
      }
      try await connected(.worker, to: broker) { other in
        await expectRefused("read another's commands", #_sourceLocation, code: 405) {
          _ = try await other.get(queue: names.worker(id))
        }
        await expectRefused("bind another's queue", #_sourceLocation, code: 405) {
          try await other.bind(Binding(queue: names.worker(id), source: names.control))
        }
      }
      try await expectToBeItself(worker, names.reports)
    }
  }

  /// A service does what both do, and no more.
  private func service(of broker: ThrowawayBroker) async throws {
    try await connected(.service, to: broker) { service in
      await expectPublishing(
        to: [
          names.claims, names.reports, names.answers, names.leases, names.submit, names.requests,
        ], by: service)
      try await expectNothingIsDeclared(by: service, mayEmpty: ["jobs.compute"])
    }
  }

  /// An operator does nothing over AMQP.
  private func operators(of broker: ThrowawayBroker) async throws {
    try await connected(.operator, to: broker) { connection in
      await expectPublishing(to: [], by: connection)
      try await expectNothingIsDeclared(by: connection)
    }
  }

  @Test("a worker that may run only some queues reads no other")
  func queues() throws {
    let rights = BrokerRole.worker.permissions(names, queues: [.download])
    let read = try Regex(rights.read)
    #expect("jobs.download".contains(read))
    for other in ["jobs.compute", "jobs.downloads", "jobs.submit", "jobs", "jobs.reports"] {
      #expect(!other.contains(read), "\(other)")
    }
    let all = try Regex(BrokerRole.worker.permissions(names).read)
    for queue in ["jobs.compute", "jobs.any-1_2", "jobs.claims-2"] { #expect(queue.contains(all)) }
    for other in shared.queues.map(\.name) where other != "jobs.compute" {
      #expect(!other.contains(all), "\(other)")
    }
  }
}
