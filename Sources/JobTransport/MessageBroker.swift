package import AMQP
import ServiceLifecycle

/// What the services need of a connection to a broker. ``Connection`` is one; tests have one in memory, which can be slow,
/// silent or refuse where a broker seldom is.
package protocol MessageBroker: Sendable {
  associatedtype Deliveries: MessageConsumer

  /// Counts the connections; what was true of the broker on an earlier one need not be on this.
  var generation: UInt64 { get async }

  /// The broker's version, on which it depends what is declared; `nil` if it is not known.
  var brokerVersion: BrokerInfo.Version? { get async }

  /// Publishes, and waits for the verdict on each: one per publication, in order.
  func publish(_ publications: [Publication], timeout: Duration) async -> [PublishVerdict]

  /// Publishes a question and waits for its answer.
  func request(_ publication: Publication, timeout: Duration) async throws(AMQPError) -> Message

  func consume(_ subscription: Subscription) async throws(AMQPError) -> Deliveries
  func declare(_ topology: Topology) async throws(AMQPError)
  func inspect(queue: String) async throws(AMQPError) -> QueueInfo
  @discardableResult
  func delete(queue: String) async throws(AMQPError) -> Int
}

/// A subscription: what a queue gives, all that has gathered at a time, and how it is settled.
package protocol MessageConsumer: AsyncSequence, Sendable
where Element == [Delivery], Failure == AMQPError {
  func ack(_ deliveries: [DeliveryTag]) async
  func nack(_ deliveries: [DeliveryTag], requeue: Bool) async
  func cancel() async
}

extension Consumer: MessageConsumer {}
extension Connection: MessageBroker {
  package var brokerVersion: BrokerInfo.Version? { broker?.version }

  @discardableResult
  package func delete(queue: String) async throws(AMQPError) -> Int {
    try await delete(queue: queue, ifUnused: false)
  }
}

extension MessageBroker {
  /// Publishes one message and waits for the verdict.
  package func publish(_ publication: Publication, timeout: Duration) async -> PublishVerdict {
    await publish([publication], timeout: timeout).first ?? .unknown("not sent")
  }
}

/// Keeps a connection up for as long as its process runs.
package struct ConnectionService: Service {
  private let connection: Connection

  package init(_ connection: Connection) {
    self.connection = connection
  }

  package func run() async throws {
    try await cancelWhenGracefulShutdown { try await connection.run() }
  }
}
