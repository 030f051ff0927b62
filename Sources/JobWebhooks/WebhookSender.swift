import AsyncHTTPClient
import Foundation
package import Jobs
package import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle

/// Sends deliveries to webhook endpoints: it is what runs the jobs of ``WebhookDelivery/type``.
package struct WebhookSender: Service {
  /// How much of an answer is read, for the sake of the connection; nobody looks at it.
  private static let mostOfAnswer = 64 << 10
  /// How long the rest of an answer is waited for, once its status is there.
  private static let answerPatience = Duration.seconds(2)

  private let endpoints: [String: WebhookEndpoint]
  private let http: HTTPClient
  private let logger: Logger

  /// ``run()`` ends its connections.
  package init(endpoints: [WebhookEndpoint], logger: Logger) {
    self.endpoints = Dictionary(endpoints.map { ($0.name, $0) }) { $1 }
    self.logger = logger
    var configuration = HTTPClient.Configuration()
    configuration.redirectConfiguration = .disallow
    configuration.timeout.connect = .seconds(10)
    // A receiver that refuses connections is tried again by its schedule.
    configuration.connectionPool.retryConnectionEstablishment = false
    // Endpoints may share a host: none waits for connections that others have.
    let most = endpoints.map(\.concurrency).reduce(0, +)
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = max(8, most)
    http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  package func run() async throws {
    try? await gracefulShutdown()
    try await http.shutdown()
  }

  /// The job type, as a worker registers it.
  package var type: RegisteredJobType {
    RegisteredJobType(group: WebhookDelivery.group, description: WebhookDelivery.description) {
      params, job in
      let delivery: WebhookDelivery.Params
      do throws(JSONError) {
        delivery = try params.decode(as: WebhookDelivery.Params.self)
      } catch {
        throw PermanentFailure("the params are none of a delivery: \(error)")
      }
      return try await deliver(delivery, job)
    }
  }

  private func deliver(
    _ delivery: WebhookDelivery.Params, _ job: JobContext
  ) async throws -> JSONPayload? {
    guard let endpoint = endpoints[delivery.endpoint] else {
      throw PermanentFailure(
        "there is no webhook '\(delivery.endpoint.shortened(to: 100))' any more")
    }
    let answer: (status: HTTPResponseStatus, headers: HTTPHeaders)
    do {
      answer = try await send(delivery, to: endpoint)
    } catch {
      // It was told to end: the worker knows why.
      try Task.checkCancellation()
      throw again(endpoint, job, Self.explain(error, endpoint), wish: nil)
    }
    switch WebhookVerdict(answer.status, answer.headers, at: .now) {
    case .delivered:
      return ["status": .integer(Int64(answer.status.code))]
    case .gone:
      logger.warning(
        "a webhook endpoint answers that it is gone; take it out of the configuration",
        metadata: ["webhook": "\(endpoint.name)"])
      throw PermanentFailure("the receiver answered 410: it wants no more of these")
    case .failed(let wish):
      throw again(endpoint, job, "the receiver answered \(answer.status.code)", wish: wish)
    }
  }

  private func again(
    _ endpoint: WebhookEndpoint, _ job: JobContext, _ why: String, wish: Duration?
  ) -> RetryAfter {
    job.keep(why, level: .warning)
    let delay = endpoint.delay(
      beforeRetry: job.retries + 1, chance: .random(in: 0..<1), wish: wish)
    return RetryAfter(delay, because: why)
  }

  private func send(
    _ delivery: WebhookDelivery.Params, to endpoint: WebhookEndpoint
  ) async throws -> (HTTPResponseStatus, HTTPHeaders) {
    let body = Array(delivery.event.text.utf8)
    let signature = WebhookSignature(
      id: delivery.id, timestamp: Timestamp.now.milliseconds / 1000, body: body,
      secrets: endpoint.secrets)
    var request = HTTPClientRequest(url: endpoint.url.url)
    request.method = .POST
    request.headers.add(name: "Content-Type", value: "application/json")
    request.headers.add(name: "User-Agent", value: "Warren/\(WarrenVersion.current)")
    for (name, value) in signature.headers { request.headers.add(name: name, value: value) }
    request.body = .bytes(ByteBuffer(bytes: body))
    let response = try await Self.within(endpoint.timeout) { [request] in
      try await http.execute(request, timeout: TimeAmount(endpoint.timeout))
    }
    // So that the connection can be used again. What is not read by then closes it.
    _ = try? await Self.within(min(Self.answerPatience, endpoint.timeout)) {
      try await response.body.collect(upTo: Self.mostOfAnswer)
    }
    return (response.status, response.headers)
  }

  private struct TimeIsOver: Error {}

  private static func within<Value: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        try await Task.sleep(for: limit)
        return nil
      }
      defer { group.cancelAll() }
      guard let value = try await group.next() ?? nil else { throw TimeIsOver() }
      return value
    }
  }

  /// In words of its own: what the client says may have the address in it, which is the operator's alone.
  private static func explain(_ error: any Error, _ endpoint: WebhookEndpoint) -> String {
    switch error {
    case is TimeIsOver: return "the receiver did not answer within \(endpoint.timeout)"
    case let error as HTTPClientError where error == .deadlineExceeded || error == .readTimeout:
      return "the receiver did not answer within \(endpoint.timeout)"
    case let error as HTTPClientError where error == .connectTimeout:
      return "the receiver did not accept a connection in time"
    case let error as HTTPClientError where error == .remoteConnectionClosed:
      return "the receiver closed the connection without an answer"
    case let error as NIOConnectionError:
      guard let first = error.connectionErrors.first?.error as? IOError else {
        return error.dnsAError != nil
          ? "the receiver's name is not known" : "the receiver cannot be reached"
      }
      return "the receiver cannot be reached: \(String(cString: strerror(first.errnoCode)))"
    case let error as IOError:
      return "the receiver cannot be reached: \(String(cString: strerror(error.errnoCode)))"
    case is HTTPClientError: return "the request failed: \(error)".shortened(to: 200)
    default:
      let isTLS = String(reflecting: Swift.type(of: error)).hasPrefix("NIOSSL")
      return isTLS
        ? "TLS with the receiver failed; its certificate has to be valid for its name"
        : "the request failed"
    }
  }
}
