import AMQP
import Logging

func connectAndPublish() async throws {
  let connection = Connection(
    configuration: try ConnectionConfiguration(url: "amqp://guest:guest@127.0.0.1/"),
    topology: Topology(queues: [.quorum("letters")]),
    logger: Logger(label: "letters"))

  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { try await connection.run() }
    defer { group.cancelAll() }
    try await connection.waitUntilReady(timeout: .seconds(10))
    let verdict = await connection.publish(
      Publication(Message(text: "hello"), exchange: "", routingKey: "letters", mandatory: true))
    print(verdict)  // confirmed
  }
}

func store(_ messages: [Message]) async throws {}

func consume(_ connection: Connection) async throws {
  let consumer = try await connection.consume(Subscription(queue: "letters", prefetch: 200))
  for try await deliveries in consumer {
    try await store(deliveries.map(\.message))
    await consumer.ack(deliveries.map(\.tag))
  }
}

func publishInBatches(_ connection: Connection, _ publications: [Publication]) async throws {
  let verdicts = await connection.publish(publications, timeout: .seconds(30))
  for (publication, verdict) in zip(publications, verdicts) {
    switch verdict {
    case .confirmed: break
    case .returned(_, let text): print(publication.routingKey, text)
    case .nacked: print(publication.routingKey, "refused")
    case .notSent: print(publication.routingKey, "not sent")
    case .unknown(let why): print(publication.routingKey, why)
    }
  }
}

func verdictsAndDeliveries(_ connection: Connection, _ publications: [Publication]) async throws {
  let verdicts = await connection.publish(publications)
  for try await deliveries in try await connection.consume(
    Subscription(queue: "lines", prefetch: 200))
  {
    print(verdicts.count, deliveries.count)
  }
}

func secured() throws -> ConnectionConfiguration {
  try ConnectionConfiguration(
    url: "amqps://user:p%40ss@broker.example/vhost?cacertfile=/etc/ssl/ca.pem")
}

func declare(_ connection: Connection) async throws {
  try await connection.declare(
    Topology(
      exchanges: [ExchangeDeclaration("news", kind: .topic)],
      queues: [.quorum("news.sports")],
      bindings: [Binding(queue: "news.sports", source: "news", routingKey: "sports.#")]))
}
