import AMQP
import Jobs
import Testing

@testable import JobTransport

/// What is declared on which broker. Only 3.10 is at hand in these tests; of the others it is known what they demand.
@Suite("Topology")
struct TopologyTests {
  private let names: TransportNames
  private let worker = WorkerID(rawValue: "w")

  init() throws {
    names = try TransportNames()
  }

  private static let before4 = [
    nil, BrokerInfo.Version(3, 10, 8), BrokerInfo.Version(3, 13, 7),
  ]
  private static let from4 = [
    BrokerInfo.Version(4, 0, 0), BrokerInfo.Version(4, 1, 5), BrokerInfo.Version(4, 3, 0),
  ]

  private func all(_ version: BrokerInfo.Version?) -> [QueueDeclaration] {
    let queues: [JobQueueName] = [.compute, .download]
    var all = JobTopology.server(names, queues: queues, broker: version)
    all.merge(JobTopology.worker(names, id: worker, queues: queues, broker: version))
    return all.queues
  }

  @Test("producers and the server declare where to ask about jobs")
  func requests() {
    for topology in [
      JobTopology.producer(names, broker: nil), JobTopology.server(names, queues: [], broker: nil),
    ] {
      #expect(topology.queues.contains { $0.name == "jobs.requests" && !isQuorum($0) })
    }
  }

  private func isQuorum(_ queue: QueueDeclaration) -> Bool {
    queue.arguments["x-queue-type"] == "quorum"
  }

  @Test(
    "a limit of deliveries is never sent before 4.0: there -1 is taken for 0", arguments: before4)
  func noLimit(_ version: BrokerInfo.Version?) {
    for queue in all(version) { #expect(queue.arguments["x-delivery-limit"] == nil, "\(queue)") }
  }

  @Test("from 4.0 on no quorum queue throws out what is delivered often", arguments: from4)
  func unlimited(_ version: BrokerInfo.Version) {
    let quorum = all(version).filter(isQuorum)
    #expect(
      Set(quorum.map(\.name)) == [
        "jobs.submit", "jobs.reports", "jobs.reports.unknown", "jobs.dead", "jobs.compute",
        "jobs.download",
      ])
    for queue in quorum { #expect(queue.arguments["x-delivery-limit"] == -1, "\(queue)") }
  }

  @Test("what is thrown out of a quorum queue has a place to go", arguments: before4 + from4)
  func deadLetters(_ version: BrokerInfo.Version?) {
    for queue in all(version).filter(isQuorum) {
      let exchange = queue.arguments["x-dead-letter-exchange"]
      switch queue.name {
      case "jobs.dead": #expect(exchange == nil)
      case "jobs.compute", "jobs.download":
        // Tickets are forgotten there, and jobs published by hand are taken in.
        #expect(exchange == "jobs.submit")
      default:
        #expect(exchange == "jobs.dead")
        // Without both, the broker may lose it on the way.
        #expect(queue.arguments["x-dead-letter-strategy"] == "at-least-once")
        #expect(queue.arguments["x-overflow"] == "reject-publish")
      }
    }
  }

  @Test("no queue is both transient and shared: 4.3 refuses it", arguments: before4 + from4)
  func transient(_ version: BrokerInfo.Version?) {
    for queue in all(version) { #expect(queue.durable || queue.exclusive, "\(queue)") }
  }

  @Test("a lease goes with its last consumer, or expires", arguments: before4 + from4)
  func lease(_ version: BrokerInfo.Version?) throws {
    let lease = try #require(all(version).first { $0.name == "jobs.lease.w" })
    #expect(lease.durable)
    #expect(lease.autoDelete)
    #expect(!lease.exclusive)
    #expect(lease.arguments["x-queue-type"] == "classic")
    #expect(lease.arguments["x-single-active-consumer"] == true)
    #expect(lease.arguments["x-expires"] == 60_000)
    #expect(WireCoding.lease().properties.deliveryMode == .persistent)
  }

  @Test("all sides declare the same", arguments: before4 + from4)
  func same(_ version: BrokerInfo.Version?) {
    let server = JobTopology.server(names, queues: [.compute], broker: version).takenAsFound()
    for other in [
      JobTopology.service(names, replies: "replies.w", broker: version),
      JobTopology.worker(names, id: worker, queues: [.compute], broker: version),
      JobTopology.workerPublishing(names, broker: version),
    ] {
      for queue in other.queues where !queue.name.hasSuffix(".w") {
        #expect(server.queues.contains(queue), "\(queue)")
      }
      for exchange in other.exchanges { #expect(server.exchanges.contains(exchange)) }
    }
  }

  @Test("each exchange that others than the server publish to leads to the queue of its name")
  func inboxes() {
    let bindings = JobTopology.server(names, queues: [], broker: nil).bindings
    for name in [names.submit, names.requests, names.claims, names.reports, names.dead] {
      #expect(bindings.contains(Binding(queue: name, source: name)), "\(name)")
    }
  }

  @Test("its own queues are known by their names")
  func own() {
    for name in ["jobs", "jobs.submit", "jobs.dead", "jobs.worker.w", "jobs.lease.w", "jobs.any"] {
      #expect(names.isOwn(name))
    }
    for name in ["", "jobsx", "my.jobs", "amq.gen-1", "amq.rabbitmq.reply-to.g1h2"] {
      #expect(!names.isOwn(name))
    }
  }

  private static let lacking =
    "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange' for queue 'jobs.submit' in vhost '/': received the value 'jobs.dead' of type 'longstr' but current is none"

  @Test("what a queue lacks is given to it by a policy")
  func policy() throws {
    let queue = try #require(all(.init(4, 0)).first { $0.name == "jobs.submit" })
    #expect(
      QueueAdvice.command(for: queue, refused: Self.lacking, virtualHost: "/")
        == #"rabbitmqctl set_policy -p '/' --priority 1 --apply-to queues 'jobs.submit' '^jobs\.submit$' '{"dead-letter-exchange":"jobs.dead","dead-letter-strategy":"at-least-once","overflow":"reject-publish","delivery-limit":1000000}'"#
    )
  }

  @Test("what a queue has otherwise can only be had by deleting it")
  func deletion() throws {
    let queue = try #require(all(nil).first { $0.name == "jobs.submit" })
    let reason =
      "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'jobs.submit' in vhost 'it''s': received 'quorum' but current is 'classic'"
    #expect(
      QueueAdvice.command(for: queue, refused: reason, virtualHost: "it's")
        == #"rabbitmqctl delete_queue -p 'it'\''s' 'jobs.submit' (with what is in it: run it empty first)"#
    )
  }
}
