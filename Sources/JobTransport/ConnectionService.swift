public import AMQP
public import ServiceLifecycle

/// Keeps a connection up for as long as its process runs.
public struct ConnectionService: Service {
  private let connection: Connection

  public init(_ connection: Connection) {
    self.connection = connection
  }

  public func run() async throws {
    try await cancelWhenGracefulShutdown { try await connection.run() }
  }
}
