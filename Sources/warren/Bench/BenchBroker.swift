import AMQP
import JobClient
import JobConfig
import JobTransport
import Jobs
import Logging

/// The benchmark's own connections to the broker.
struct BenchBroker: Sendable {
  private let address: BrokerAddress
  /// What is wrong is thrown and told in the end; nothing is logged between the lines of the progress.
  static let quiet = Logger(label: "warren.bench") { _ in SwiftLogNoOpLogHandler() }

  init(_ address: BrokerAddress) {
    self.address = address
  }

  /// Connects, runs `body`, and closes the connection.
  func connected<Answer: Sendable>(
    _ body: @escaping @Sendable (Connection) async throws -> Answer
  ) async throws -> Answer {
    var configuration = try ConnectionConfiguration(url: address.url)
    configuration.connectionName = "warren bench"
    let connection = Connection(configuration: configuration, logger: Self.quiet)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await connection.run() }
      defer { group.cancelAll() }
      do throws(AMQPError) {
        try await connection.waitUntilReady(timeout: .seconds(10))
      } catch .cancelled {
        throw CancellationError()
      } catch {
        throw BenchError.broker("\(error)")
      }
      return try await body(connection)
    }
  }

  /// What it calls itself, as in `RabbitMQ 3.10.8`.
  func name() async throws -> String {
    try await connected { connection in
      let broker = await connection.broker
      return "\(broker?.product ?? "") \(broker?.version?.description ?? "")"
    }
  }

  /// Deletes all that a server and its workers declare under a prefix. What is exclusive is gone with its connection, and
  /// the lease of a worker with its consumers.
  ///
  /// - Returns: what could not be deleted, and why.
  func delete(_ names: TransportNames, queues: [JobQueueName]) async -> [String] {
    do {
      return try await connected { connection in
        let topology = JobTopology.server(
          names, queues: queues, broker: await connection.broker?.version)
        var failures: [String] = []
        for queue in topology.queues {
          do throws(AMQPError) {
            try await connection.delete(queue: queue.name)
          } catch {
            failures.append("the queue \(queue.name): \(error)")
          }
        }
        for exchange in topology.exchanges {
          do throws(AMQPError) {
            try await connection.delete(exchange: exchange.name)
          } catch {
            failures.append("the exchange \(exchange.name): \(error)")
          }
        }
        return failures
      }
    } catch {
      return ["the queues and exchanges that begin with \(names.prefix): \(error)"]
    }
  }
}
