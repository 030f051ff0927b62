public import AMQP
public import Jobs

/// Which exchanges, queues and bindings each side declares. Declaring the same again is harmless, so that whoever comes
/// first makes them.
public enum JobTopology {
  /// How long the broker waits for the acknowledgement of a running job, in milliseconds: seven days. RabbitMQ reads
  /// it from the queue from 3.12 on; older nodes need `consumer_timeout` in their configuration.
  static let consumerTimeout: Int64 = 7 * 86_400_000

  /// Server and workers try to connect this often at least: a worker that comes back late counts as gone.
  public static let longestReconnectionPause = Duration.seconds(5)

  /// All that the server reads from and writes to.
  public static func server(_ names: TransportNames, queues: some Sequence<JobQueueName>)
    -> Topology
  {
    var topology = producer(names)
    topology.exchanges += [
      ExchangeDeclaration(names.dead, kind: .fanout),
      ExchangeDeclaration(names.control, kind: .direct),
      ExchangeDeclaration(names.events, kind: .topic),
    ]
    topology.queues += [
      .quorum(names.dead),
      .quorum(names.reports),
      .quorum(names.unknownReports),
      .classic(names.claims),
    ]
    topology.bindings.append(Binding(queue: names.dead, source: names.dead, routingKey: ""))
    topology.merge(work(names, queues: queues))
    return topology
  }

  /// What a producer needs: the intake.
  public static func producer(_ names: TransportNames) -> Topology {
    Topology(
      exchanges: [ExchangeDeclaration(names.submit, kind: .fanout)],
      queues: [.quorum(names.submit)],
      bindings: [Binding(queue: names.submit, source: names.submit, routingKey: "")])
  }

  /// The queues that hold tickets.
  public static func work(_ names: TransportNames, queues: some Sequence<JobQueueName>) -> Topology
  {
    var topology = Topology(exchanges: [ExchangeDeclaration(names.work, kind: .direct)])
    for queue in queues {
      topology.queues.append(
        .quorum(
          names.queue(queue), arguments: ["x-consumer-timeout": .int64(consumerTimeout)]))
      topology.bindings.append(
        Binding(
          queue: names.queue(queue), source: names.work, routingKey: queue.rawValue))
    }
    return topology
  }

  /// What a worker reads from and writes to. Its control queue is exclusive: it lasts as long as the connection.
  public static func worker(
    _ names: TransportNames, id: WorkerID, queues: some Sequence<JobQueueName>
  ) -> Topology {
    var topology = work(names, queues: queues)
    topology.exchanges.append(ExchangeDeclaration(names.control, kind: .direct))
    topology.queues += [.quorum(names.reports), .classic(names.claims)]
    let own = names.worker(id)
    topology.queues.append(
      QueueDeclaration(own, durable: false, exclusive: true, autoDelete: true))
    topology.queues.append(
      QueueDeclaration(
        names.lease(id), durable: false, exclusive: false, autoDelete: true,
        arguments: ["x-single-active-consumer": true]))
    topology.bindings += [
      Binding(queue: own, source: names.control, routingKey: id.rawValue),
      Binding(queue: own, source: names.control, routingKey: names.everyWorker),
    ]
    return topology
  }
}
