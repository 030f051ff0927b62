import AMQP
import ArgumentParser
import Glibc
import Logging

/// The same as `amqp-c` with the module AMQP. Prints one line of JSON.
@main
struct AMQPSwift: AsyncParsableCommand {
  enum Direction: String, ExpressibleByArgument {
    case prepare, publish, consume
  }

  @Argument var direction: Direction
  @Argument var broker: String
  @Argument var queue: String
  @Argument var messages: Int
  @Argument var bytes: Int
  @Argument var batch: Int
  @Argument var inFlight: Int

  func run() async throws {
    var configuration = try ConnectionConfiguration(url: broker)
    configuration.connectionName = "benchmark"
    configuration.maximumUnconfirmed = inFlight
    var logger = Logger(label: "amqp-swift")
    logger.logLevel = .error
    let connection = Connection(
      configuration: configuration,
      topology: Topology(queues: [
        QueueDeclaration(queue, durable: true, exclusive: false, autoDelete: false)
      ]), logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await connection.run() }
      try await connection.waitUntilReady(timeout: .seconds(10))
      switch direction {
      case .prepare: _ = try await connection.purge(queue: queue)
      case .publish: try await publish(connection)
      case .consume: try await consume(connection)
      }
      group.cancelAll()
      try await group.waitForAll()
    }
  }

  /// As many batches at a time as may be in flight, each by a task that publishes them one after the other.
  private func publish(_ connection: Connection) async throws {
    // Copies: to read an argument is a call into the parser's library.
    let (messages, batch) = (messages, batch)
    let publication = Publication(
      Message(
        body: Array(repeating: UInt8(ascii: "x"), count: bytes),
        properties: MessageProperties(
          contentType: "application/octet-stream", deliveryMode: .persistent)),
      exchange: "", routingKey: queue)
    let begin = Instant.now()
    try await withThrowingTaskGroup(of: Void.self) { group in
      let publishers = max(1, inFlight / batch)
      for number in 0..<publishers {
        let share = messages * (number + 1) / publishers - messages * number / publishers
        group.addTask {
          var left = share
          while left > 0 {
            // Made anew each time, as a program does that has something to say.
            let publications = Array(repeating: publication, count: min(batch, left))
            let verdicts = await connection.publish(publications)
            guard verdicts.allSatisfy({ $0 == .confirmed }) else {
              throw Failure(what: "not confirmed: \(verdicts.first { $0 != .confirmed }!)")
            }
            left -= publications.count
          }
        }
      }
      try await group.waitForAll()
    }
    begin.printDifference(messages: messages)
  }

  private func consume(_ connection: Connection) async throws {
    let (messages, bytes, batch) = (messages, bytes, batch)
    let begin = Instant.now()
    let consumer = try await connection.consume(
      Subscription(queue: queue, prefetch: UInt16(inFlight)))
    var taken = 0
    var unacknowledged: [DeliveryTag] = []
    unacknowledged.reserveCapacity(inFlight)
    for try await deliveries in consumer {
      for delivery in deliveries {
        guard delivery.message.body.count == bytes else {
          throw Failure(what: "a message of another size")
        }
        unacknowledged.append(delivery.tag)
        taken += 1
        if unacknowledged.count == batch || taken == messages {
          await consumer.ack(unacknowledged)
          unacknowledged.removeAll(keepingCapacity: true)
        }
      }
      if taken >= messages { break }
    }
    begin.printDifference(messages: messages)
  }
}

struct Failure: Error, CustomStringConvertible {
  let what: String
  var description: String { what }
}

/// User and system time of the process and the clock, in seconds.
struct Instant {
  let user: Double
  let system: Double
  let clock: ContinuousClock.Instant

  static func now() -> Instant {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return Instant(
      user: seconds(usage.ru_utime), system: seconds(usage.ru_stime), clock: .now)
  }

  func printDifference(messages: Int) {
    let end = Instant.now()
    print(
      """
      {"messages":\(messages),"seconds":\((end.clock - clock) / .seconds(1)),\
      "user":\(end.user - user),"system":\(end.system - system)}
      """)
  }
}
