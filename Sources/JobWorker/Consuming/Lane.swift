import AMQP
import Jobs
import Synchronization

/// One queue that the worker takes jobs from: its slots, and its consumer once there is one.
final class Lane: Sendable {
  let queue: JobQueue
  let slots: SlotGate
  private let consumer = Mutex<Consumer?>(nil)

  init(_ queue: JobQueue) {
    self.queue = queue
    slots = SlotGate(capacity: queue.capacity)
  }

  /// The consumer; `nil` before there is one.
  var reader: Consumer? { consumer.withLock { $0 } }

  func open(_ consumer: Consumer) {
    self.consumer.withLock { $0 = consumer }
  }

  /// The deliveries are dealt with.
  func ack(_ tags: [DeliveryTag]) async {
    guard !tags.isEmpty else { return }
    await reader?.ack(tags)
  }

  /// The deliveries go back to the broker.
  func giveBack(_ tags: [DeliveryTag]) async {
    guard !tags.isEmpty else { return }
    await reader?.nack(tags, requeue: true)
  }
}
