/// What the copies of a ``Consumer`` share. Without it nobody can take deliveries, so its end ends
/// the subscription.
final class ConsumerHandle: Sendable {
  let connection: Connection
  let id: UInt64
  let buffer: DeliveryBuffer

  init(connection: Connection, id: UInt64, buffer: DeliveryBuffer) {
    self.connection = connection
    self.id = id
    self.buffer = buffer
  }

  deinit {
    connection.abandon(consumer: id)
  }
}
