package import AMQP
package import Jobs

/// Which exchanges, queues and bindings each side declares. Declaring the same again is harmless, so that whoever comes
/// first makes them.
///
/// What is declared depends on the broker's version: from 4.0 on, RabbitMQ takes a message out of a quorum queue that was
/// delivered 20 times and not acknowledged, unless the queue says otherwise. Before that a negative limit is taken for 0.
/// Nobody may leave the version out by accident: another declaration of the same queue is refused.
package enum JobTopology {
  /// How long the broker waits for the acknowledgement of a running job, in milliseconds: seven days. RabbitMQ reads
  /// it from the queue from 3.12 on; older nodes need `consumer_timeout` in their configuration.
  static let consumerTimeout: Int64 = 7 * 86_400_000

  /// How long a lease queue without a consumer stays, in milliseconds: a worker that comes back after a restart of the broker
  /// takes longer at worst, and declares it anew.
  static let leaseExpiry: Int64 = 60_000

  /// Server and workers try to connect this often at least: a worker that comes back late counts as gone.
  package static let longestReconnectionPause = Duration.seconds(2)

  /// All that the server reads from and writes to.
  package static func server(
    _ names: TransportNames, queues: some Sequence<JobQueueName>,
    broker: BrokerInfo.Version?
  ) -> Topology {
    var topology = producer(names, broker: broker)
    topology.merge(mail(names, broker))
    topology.exchanges.append(ExchangeDeclaration(names.events, kind: .topic))
    topology.queues.append(kept(names.unknownReports, names, broker))
    topology.merge(work(names, queues: queues, broker: broker))
    return topology
  }

  /// The same, and a queue of the server's own through which workers answer it.
  package static func server(
    _ names: TransportNames, queues: some Sequence<JobQueueName>, answers: String,
    broker: BrokerInfo.Version?
  ) -> Topology {
    var topology = server(names, queues: queues, broker: broker)
    topology.queues.append(
      QueueDeclaration(answers, durable: false, exclusive: true, autoDelete: true))
    topology.bindings.append(
      Binding(queue: answers, source: names.answers, routingKey: answers))
    return topology
  }

  /// What goes to and fro between the server and its workers. Each queue that workers write to has an exchange: who may write
  /// to the default exchange may write to every queue.
  private static func mail(_ names: TransportNames, _ broker: BrokerInfo.Version?) -> Topology {
    Topology(
      exchanges: [
        ExchangeDeclaration(names.claims, kind: .fanout),
        ExchangeDeclaration(names.reports, kind: .fanout),
        ExchangeDeclaration(names.control, kind: .direct),
        ExchangeDeclaration(names.answers, kind: .direct),
        ExchangeDeclaration(names.leases, kind: .direct),
      ],
      queues: [
        kept(names.reports, names, broker),
        // No dead letters: a claim expires with its asker's patience, and each that has expired would be one.
        .classic(names.claims),
      ],
      bindings: [
        Binding(queue: names.reports, source: names.reports),
        Binding(queue: names.claims, source: names.claims),
      ])
  }

  /// What a producer needs: the intake, where it leads to what cannot stay there, and where to ask about jobs.
  package static func producer(
    _ names: TransportNames, broker: BrokerInfo.Version?
  ) -> Topology {
    Topology(
      exchanges: [
        ExchangeDeclaration(names.dead, kind: .fanout),
        ExchangeDeclaration(names.submit, kind: .fanout),
        ExchangeDeclaration(names.requests, kind: .fanout),
      ],
      queues: [
        .quorum(names.dead, arguments: withoutLimit(broker)),
        kept(names.submit, names, broker),
        // No dead letters: a request expires with its asker's patience.
        .classic(names.requests),
      ],
      bindings: [
        Binding(queue: names.dead, source: names.dead, routingKey: ""),
        Binding(queue: names.submit, source: names.submit, routingKey: ""),
        Binding(queue: names.requests, source: names.requests),
      ])
  }

  /// What whoever schedules jobs needs, and a queue of its own through which it is answered.
  package static func service(
    _ names: TransportNames, replies: String, broker: BrokerInfo.Version?
  ) -> Topology {
    var topology = producer(names, broker: broker).takenAsFound()
    topology.queues.append(
      QueueDeclaration(replies, durable: false, exclusive: true, autoDelete: true))
    return topology
  }

  /// The queues that hold tickets.
  ///
  /// What is thrown out of one goes to the intake: a job message that was published there by hand becomes a job, and a
  /// ticket is forgotten there, since it is issued again. Among the dead letters, tickets would bury the others.
  package static func work(
    _ names: TransportNames, queues: some Sequence<JobQueueName>,
    broker: BrokerInfo.Version?
  ) -> Topology {
    var topology = Topology(exchanges: [ExchangeDeclaration(names.work, kind: .direct)])
    for queue in queues {
      var arguments = withoutLimit(broker)
      arguments["x-consumer-timeout"] = .int64(consumerTimeout)
      arguments["x-dead-letter-exchange"] = .string(names.submit)
      topology.queues.append(.quorum(names.queue(queue), arguments: arguments))
      topology.bindings.append(
        Binding(
          queue: names.queue(queue), source: names.work, routingKey: queue.rawValue))
    }
    return topology
  }

  /// What a worker writes to through a connection for publishing, and what that leads to: whoever comes first makes it.
  package static func workerPublishing(
    _ names: TransportNames, broker: BrokerInfo.Version?
  ) -> Topology {
    mail(names, broker).takenAsFound()
  }

  /// What a worker reads from and writes to. Its control queue is exclusive: it lasts as long as the connection. All but that and
  /// its lease is taken as it is there.
  package static func worker(
    _ names: TransportNames, id: WorkerID, queues: some Sequence<JobQueueName>,
    broker: BrokerInfo.Version?
  ) -> Topology {
    var topology = producer(names, broker: broker)
    topology.merge(work(names, queues: queues, broker: broker))
    topology.merge(mail(names, broker))
    topology = topology.takenAsFound()
    let own = names.worker(id)
    topology.queues += [
      QueueDeclaration(own, durable: false, exclusive: true, autoDelete: true),
      lease(names.lease(id)),
    ]
    topology.bindings += [
      // For a server from before it wrote to the queue itself.
      Binding(queue: own, source: names.control, routingKey: id.rawValue),
      Binding(queue: own, source: names.control, routingKey: names.everyWorker),
      Binding(queue: names.lease(id), source: names.leases, routingKey: id.rawValue),
    ]
    return topology
  }

  /// Durable, because RabbitMQ 4.3 refuses queues that are neither durable nor exclusive. It goes with its last consumer; one
  /// that a restart of the broker has left without consumers expires.
  private static func lease(_ name: String) -> QueueDeclaration {
    .classic(
      name, autoDelete: true,
      arguments: [
        // Named, since a virtual host may have another kind for what names none.
        "x-queue-type": "classic", "x-single-active-consumer": true,
        "x-expires": .int64(leaseExpiry),
      ])
  }

  /// A queue whose messages nobody else has. What a limit or a policy throws out is kept among the dead letters, and the broker
  /// lets go of it only when it is there (`at-least-once`, which demands that a full queue refuses what is published).
  private static func kept(
    _ name: String, _ names: TransportNames, _ broker: BrokerInfo.Version?
  ) -> QueueDeclaration {
    var arguments = withoutLimit(broker)
    arguments["x-dead-letter-exchange"] = .string(names.dead)
    arguments["x-dead-letter-strategy"] = "at-least-once"
    arguments["x-overflow"] = "reject-publish"
    return .quorum(name, arguments: arguments)
  }

  private static func withoutLimit(_ broker: BrokerInfo.Version?) -> FieldTable {
    guard let broker, broker >= .init(4, 0) else { return [:] }
    return ["x-delivery-limit": .int64(-1)]
  }
}

/// What the exchanges and queues are called that jobs travel through.
package struct TransportNames: Sendable, Hashable {
  /// What every name starts with; the direct exchange of the tickets is called just this.
  package let prefix: String

  /// - Throws: ``NameError`` when the prefix is no ``JobName``.
  package init(prefix: String = "jobs") throws(NameError) {
    self.prefix = try JobName.validate(prefix, of: "prefix")
  }

  /// Direct exchange: tickets, by the name of the job queue.
  package var work: String { prefix }
  /// Fanout exchange and quorum queue: job messages from producers.
  package var submit: String { "\(prefix).submit" }
  /// Fanout exchange and quorum queue: what could not be accepted.
  package var dead: String { "\(prefix).dead" }
  /// Fanout exchange and classic queue: claims of workers.
  package var claims: String { "\(prefix).claims" }
  /// Fanout exchange and classic queue: what producers ask about jobs.
  package var requests: String { "\(prefix).requests" }
  /// Fanout exchange and quorum queue: reports of workers.
  package var reports: String { "\(prefix).reports" }
  /// Quorum queue: reports of workers that are newer than the server, kept for a server that knows them.
  package var unknownReports: String { "\(prefix).reports.unknown" }
  /// Direct exchange: commands to all workers, by ``everyWorker``. What is for one goes to its queue, which nobody else can
  /// bind to anything.
  package var control: String { "\(prefix).control" }
  /// Direct exchange: what workers answer to commands, by the name of the server's queue of answers. Like the next one it
  /// has a name that no job queue's can be.
  package var answers: String { "\(prefix).control.answers" }
  /// Direct exchange: leases, by the worker's id.
  package var leases: String { "\(prefix).control.leases" }
  /// Topic exchange: every transition, by `<status>.<queue>.<group>.<type>`.
  package var events: String { "\(prefix).events" }
  /// The routing key of a command to all workers.
  package let everyWorker = "*"

  /// Whether a name is, or may become, one of these. Nobody else's answers are to be sent there.
  package func isOwn(_ name: String) -> Bool { name == prefix || name.hasPrefix("\(prefix).") }

  /// The queue that holds the tickets of a job queue.
  package func queue(_ name: JobQueueName) -> String { "\(prefix).\(name)" }
  /// The control queue of one worker.
  package func worker(_ id: WorkerID) -> String { "\(prefix).worker.\(id)" }

  /// The queue through which one service is answered. Its name is none of ``isOwn(_:)``, to which nobody is answered.
  package func replies(_ id: WorkerID) -> String { "to-\(prefix)-\(id)" }

  /// The queue through which one process of the server is answered by workers.
  package func answers(_ id: WorkerID) -> String { "\(answers).\(id)" }
  /// Whether that is the queue of some server's answers.
  package func isAnswers(_ name: String) -> Bool { name.hasPrefix("\(answers).") }

  /// The queue with one worker's lease.
  package func lease(_ id: WorkerID) -> String { "\(prefix).lease.\(id)" }

  /// The routing key of an event.
  package func eventKey(_ event: JobEvent) -> String {
    "\(event.to.rawValue).\(event.queue).\(event.type.group).\(event.type.name)"
  }
}
