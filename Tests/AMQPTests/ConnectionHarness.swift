import AMQP
import Foundation
import Logging
import TestSupport
import Testing

/// The configuration for a connection to the shared broker, or to another one.
func configuration(
  _ url: String? = nil, change: (inout ConnectionConfiguration) -> Void = { _ in }
) async throws -> ConnectionConfiguration {
  let address: String
  if let url { address = url } else { address = try await ThrowawayBroker.shared().url }
  var configuration = try ConnectionConfiguration(url: address)
  configuration.connectionName = "test"
  change(&configuration)
  return configuration
}

/// Runs a connection to the shared broker while `body` uses it; ends it whatever happens.
func withConnection<Value: Sendable>(
  _ body: @Sendable (Connection) async throws -> Value
) async throws -> Value {
  try await withConnection(configuration(), body)
}

/// Runs a connection while `body` uses it; ends it whatever happens.
func withConnection<Value: Sendable>(
  _ configuration: ConnectionConfiguration, logger: Logger = quietLogger(),
  _ body: @Sendable (Connection) async throws -> Value
) async throws -> Value {
  let connection = Connection(configuration: configuration, logger: logger)
  return try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { try await connection.run() }
    defer { group.cancelAll() }
    try await connection.waitUntilReady(timeout: .seconds(30))
    return try await body(connection)
  }
}

/// A logger that says nothing: tests lose connections on purpose.
func quietLogger() -> Logger {
  var logger = Logger(label: "test")
  logger.logLevel = .critical
  return logger
}

extension Connection {
  /// A queue that goes with this connection.
  func temporaryQueue(arguments: FieldTable = [:]) async throws -> String {
    let name = "test-\(UUID().uuidString)"
    try await declare(
      Topology(queues: [
        .classic(name, durable: false, exclusive: true, autoDelete: false, arguments: arguments)
      ]))
    return name
  }
}

extension Consumer {
  /// The next deliveries; `nil` at the end, or if none come within ten seconds.
  func first() async throws -> [Delivery]? {
    let next = try await bounded(.seconds(10)) {
      var iterator = makeAsyncIterator()
      return try await iterator.next()
    }
    return next ?? nil
  }

  /// The next `count` deliveries, however they come; fewer if they do not come within ten seconds.
  func collect(_ count: Int) async throws -> [Delivery] {
    var deliveries: [Delivery] = []
    while deliveries.count < count, let more = try await first() { deliveries += more }
    return deliveries
  }
}
