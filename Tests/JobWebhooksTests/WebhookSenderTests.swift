import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Jobs
import Logging
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

@testable import JobWebhooks

@Suite("The sender of webhooks", .timeLimit(.minutes(1)))
struct WebhookSenderTests {
  private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  private static let secret = WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

  /// What a receiver was sent.
  private final class Received: Sendable {
    struct Letter: Sendable {
      let headers: HTTPFields
      let body: [UInt8]
    }

    let letters = Mutex<[Letter]>([])
  }

  /// Sends one delivery to a receiver that answers as the test says.
  private func deliver(
    timeout: Duration = .seconds(10), retries: Int = 0, to name: String = "billing",
    answer: @escaping @Sendable (Request) async throws -> Response
  ) async throws -> (outcome: Result<JSONPayload?, any Error>, letters: [Received.Letter]) {
    let received = Received()
    let router = Router()
    router.post("/hook") { request, _ in
      let body = try await request.body.collect(upTo: 1 << 20)
      received.letters.withLock {
        $0.append(.init(headers: request.headers, body: Array(body.readableBytesView)))
      }
      return try await answer(request)
    }
    return try await Application(router: router, logger: Self.logger).test(.live) { client in
      let port = try #require(client.port)
      var endpoint = try WebhookEndpoint(
        "billing", url: try WebhookURL("http://127.0.0.1:\(port)/hook"),
        secrets: [try #require(Self.secret)], retries: [.seconds(5), .seconds(300)])
      endpoint.timeout = timeout
      let sender = WebhookSender(endpoints: [endpoint], logger: Self.logger)
      let running = Task { try await sender.run() }
      let params: JSONValue = [
        "endpoint": .string(name), "id": "0190a0a0-0000-8000-8000-000000000001",
        "event": ["type": "job.completed", "data": ["name": "Zoë"]],
      ]
      let context = JobContext(
        assignment: JobAssignment(
          job: JobID(), type: WebhookDelivery.type, attempt: 1, retries: retries,
          params: JSONPayload(params)), logger: Self.logger)
      let outcome: Result<JSONPayload?, any Error>
      do {
        outcome = .success(try await sender.type.execute(JSONPayload(params), context))
      } catch {
        outcome = .failure(error)
      }
      running.cancel()
      try await running.value
      return (outcome, received.letters.withLock(\.self))
    }
  }

  private func failure<Failure: Error>(
    _ outcome: Result<JSONPayload?, any Error>, as type: Failure.Type = Failure.self
  ) throws -> Failure {
    guard case .failure(let error) = outcome else {
      Issue.record("it was delivered")
      throw CancellationError()
    }
    return try #require(error as? Failure, "\(error)")
  }

  @Test("sends the event with a signature that its receiver can verify")
  func signed() async throws {
    let (outcome, letters) = try await deliver { _ in Response(status: .noContent) }
    #expect(try outcome.get() == ["status": 204])
    #expect(letters.count == 1)
    let letter = try #require(letters.first)
    func header(_ name: String) -> String? {
      HTTPField.Name(name).flatMap { letter.headers[$0] }
    }
    #expect(
      String(decoding: letter.body, as: UTF8.self)
        == #"{"data":{"name":"Zoë"},"type":"job.completed"}"#)
    #expect(header("content-type") == "application/json")
    #expect(header("user-agent") == "Warren/\(WarrenVersion.current)")
    let time = try #require(header("webhook-timestamp").flatMap { Int64($0) })
    #expect(abs(time - Timestamp.now.milliseconds / 1000) < 60)
    let expected = WebhookSignature(
      id: "0190a0a0-0000-8000-8000-000000000001", timestamp: time, body: letter.body,
      secrets: [try #require(Self.secret)])
    #expect(header("webhook-id") == expected.id)
    #expect(header("webhook-signature") == expected.signatures)
  }

  @Test("tries again by the endpoint's schedule, or later where the receiver wishes")
  func failing() async throws {
    let first = try await deliver { _ in Response(status: .internalServerError) }
    let again = try failure(first.outcome, as: RetryAfter.self)
    #expect(again.counted && again.description == "the receiver answered 500")
    #expect((4.5...5.5).contains(again.delay.seconds))
    let second = try await deliver(retries: 1) { _ in Response(status: .internalServerError) }
    #expect((270...330).contains(try failure(second.outcome, as: RetryAfter.self).delay.seconds))
    let busy = try await deliver { _ in
      Response(status: .tooManyRequests, headers: [.retryAfter: "77"])
    }
    #expect(try failure(busy.outcome, as: RetryAfter.self).delay == .seconds(77))
  }

  @Test("goes nowhere else than where the operator said")
  func redirected() async throws {
    let (outcome, letters) = try await deliver { request in
      let host = request.head.authority ?? ""
      return Response(status: .temporaryRedirect, headers: [.location: "http://\(host)/hook"])
    }
    let error = try failure(outcome, as: RetryAfter.self)
    #expect(error.description == "the receiver answered 307")
    #expect(letters.count == 1)
  }

  @Test("gives up at once where the receiver is gone, or the endpoint is not there any more")
  func gone() async throws {
    let gone = try await deliver { _ in Response(status: .gone) }
    #expect(
      try failure(gone.outcome, as: PermanentFailure.self).description
        == "the receiver answered 410: it wants no more of these")
    let removed = try await deliver(to: "other") { _ in Response(status: .ok) }
    #expect(
      try failure(removed.outcome, as: PermanentFailure.self).description
        == "there is no webhook 'other' any more")
    #expect(removed.letters.isEmpty)
  }

  @Test("waits no longer than it may")
  func slow() async throws {
    let start = ContinuousClock.now
    let (outcome, _) = try await deliver(timeout: .milliseconds(300)) { _ in
      try? await Task.sleep(for: .seconds(5))
      return Response(status: .ok)
    }
    let error = try failure(outcome, as: RetryAfter.self)
    #expect(error.description == "the receiver did not answer within 0.3 seconds")
    #expect(ContinuousClock.now - start < .seconds(20))
  }

  @Test("takes a delivery for done by its status, however long the answer goes on")
  func endless() async throws {
    let (outcome, _) = try await deliver { _ in
      Response(
        status: .ok,
        body: ResponseBody { writer in
          for _ in 0..<100 {
            try await writer.write(ByteBuffer(repeating: UInt8(ascii: "x"), count: 64 << 10))
          }
          try await writer.finish(nil)
        })
    }
    #expect(try outcome.get() == ["status": 200])
  }

  @Test("says in words of its own why a receiver cannot be reached")
  func unreachable() async throws {
    let endpoint = try WebhookEndpoint(
      "billing", url: try WebhookURL("http://127.0.0.1:1/hidden"),
      secrets: [try #require(Self.secret)])
    let sender = WebhookSender(endpoints: [endpoint], logger: Self.logger)
    let running = Task { try await sender.run() }
    let params: JSONValue = ["endpoint": "billing", "id": "1", "event": [:]]
    let context = JobContext(
      assignment: JobAssignment(
        job: JobID(), type: WebhookDelivery.type, attempt: 1, params: JSONPayload(params)),
      logger: Self.logger)
    let error = await #expect(throws: RetryAfter.self) {
      try await sender.type.execute(JSONPayload(params), context)
    }
    #expect(error?.description == "the receiver cannot be reached: Connection refused")
    running.cancel()
    try await running.value
  }
}
