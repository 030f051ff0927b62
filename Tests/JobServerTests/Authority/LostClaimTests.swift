import AMQP
import Foundation
import JobTransport
import Jobs
import Logging
import TestSupport
import Testing

/// A server that ends takes the claims that it has read, and not answered, with it.
@Suite("A claim that nobody answers", .needsBroker, .timeLimit(.minutes(2)))
struct LostClaimTests {
  @Test func isAskedAgainSoonThoughAnswersMayTakeLong() async throws {
    let names = try TransportNames(prefix: "t-\(UUID().uuidString.prefix(8).lowercased())")
    let connection = Connection(
      configuration: try ConnectionConfiguration(url: try await ThrowawayBroker.shared().url),
      topology: { JobTopology.server(names, queues: [.compute], broker: $0.version) },
      logger: Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() })
    let authority = BrokerAuthority(
      connection: connection, names: names, patience: .seconds(600))
    let request = ClaimRequest(
      worker: WorkerID(rawValue: "w"), epoch: 1, queue: .compute, count: 1, types: [])
    try await withThrowingTaskGroup { group in
      group.addTask { try await connection.run() }
      try await connection.waitUntilReady(timeout: .seconds(30))
      let claims = try await connection.consume(
        Subscription(queue: names.claims, prefetch: 0, noAck: true))
      // The first is taken, and lost.
      let gaveUp = await bounded(.seconds(60)) {
        do {
          _ = try await authority.claim([request])
          return false
        } catch { return true }
      }
      #expect(gaveUp == true)
      // Asked again it lies there for as long as answers may take: whoever comes next answers it.
      let again = Task { try await authority.claim([request.repeated]) }
      var iterator = claims.makeAsyncIterator()
      _ = try await iterator.next()
      let second = try #require(try await iterator.next()?.first?.message)
      #expect(second.properties.expiration == "600000")
      let asked = try WireCoding.claims(second)
      #expect(asked.map(\.claim) == [request.claim])
      var answer = try WireCoding.message([ClaimAnswer(jobs: [], rest: .void)])
      answer.properties.correlationID = second.properties.correlationID
      let verdict = await connection.publish(
        Publication(answer, exchange: "", routingKey: try #require(second.properties.replyTo)))
      #expect(verdict == .confirmed)
      #expect(try await again.value.map(\.rest) == [.void])
      group.cancelAll()
    }
  }
}
