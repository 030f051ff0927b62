import TestSupport
import Testing

@testable import AMQP

@Suite("Handing deliveries over", .timeLimit(.minutes(1)))
struct DeliveryBufferTests {
  private func delivery(_ number: UInt64) -> Delivery {
    Delivery(
      message: Message(), exchange: "", routingKey: "", redelivered: false,
      tag: DeliveryTag(generation: 1, value: number))
  }

  @Test("All that has gathered comes at once, then the end")
  func gathered() async throws {
    let buffer = DeliveryBuffer()
    buffer.append([delivery(1)])
    buffer.append([delivery(2), delivery(3)])
    #expect(try await buffer.next()?.map(\.tag.value) == [1, 2, 3])
    buffer.append([delivery(4)])
    buffer.finish(.success(nil))
    buffer.append([delivery(5)])
    #expect(try await buffer.next()?.map(\.tag.value) == [4])
    #expect(try await buffer.next() == nil)
    #expect(try await buffer.next() == nil)
  }

  @Test("Who waits is woken by deliveries, by the end, by an error")
  func waiting() async throws {
    let buffer = DeliveryBuffer()
    let first = Task { try await buffer.next() }
    buffer.append([delivery(1)])
    #expect(try await first.value?.count == 1)
    let second = Task { try await buffer.next() }
    buffer.finish(.failure(.nacked))
    await #expect(throws: AMQPError.nacked) { try await second.value }
    await #expect(throws: AMQPError.nacked) { try await buffer.next() }
  }

  @Test("A cancelled wait ends, and takes nothing from those that go on")
  func cancelled() async throws {
    let buffer = DeliveryBuffer()
    let task = Task { try await buffer.next() }
    task.cancel()
    #expect(try await task.value == nil)
    buffer.append([delivery(1)])
    #expect(try await buffer.next()?.count == 1)
  }

  @Test("Stale deliveries can be dropped")
  func dropped() async throws {
    let buffer = DeliveryBuffer()
    buffer.append([delivery(1)])
    buffer.removeAll()
    buffer.append([delivery(2)])
    #expect(try await buffer.next()?.map(\.tag.value) == [2])
  }
}
