import AMQP
import Foundation
import Jobs
import Logging
import TestSupport
import Testing

@testable import Warren

/// What a service does with a broker, without a server.
@Suite("A job service and its broker", .needsBroker, .serialized, .timeLimit(.minutes(3)))
struct JobServiceBrokerTests {
  /// Passes on what it is told.
  struct Listener: JobMiddleware {
    let events = AsyncStream.makeStream(of: JobServiceEvent.self)
    func observe(_ event: JobServiceEvent) { events.continuation.yield(event) }
  }

  struct Nothing: JobParams {
    static let job = JobDefinition("service:nothing")
  }

  @Test("connections that are there again after a loss are told of, and jobs scheduled")
  func reconnects() async throws {
    let broker = try await ThrowawayBroker.shared()
    let prefix = "t-\(UUID().uuidString.prefix(8).lowercased())"
    let listener = Listener()
    let jobs = try JobService(
      broker: broker.url, prefix: prefix, middleware: [listener], logger: Logger(label: "test"))
    jobs.on(Nothing.self) { _, _ in }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await jobs.run() }
      defer { group.cancelAll() }
      try await jobs.waitUntilReady()
      let told = Task {
        var again: Set<String> = []
        for await event in listener.events.stream {
          if case .reconnected(let connection) = event { again.insert(connection) }
          if again.count == 2 { break }
        }
        return again
      }
      try await broker.control("close_all_connections", "a test")
      #expect(await bounded(.seconds(60)) { await told.value } == ["publishing", "consuming"])
      told.cancel()
      _ = try await jobs.schedule(Nothing())
    }
  }
}
