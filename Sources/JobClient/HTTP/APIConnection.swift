import AsyncHTTPClient
import Foundation
import Jobs
import NIOCore
import NIOHTTP1
import NIOPosix

/// Sends requests to one server on behalf of one caller, and turns all that can go wrong into ``JobClientError``.
struct APIConnection: Sendable {
  let server: ServerURL
  let tenant: UUID?
  let user: UUID?
  let token: String?
  let limits: JobClientLimits
  let http: HTTPClient

  private struct Answer: Sendable {
    let status: HTTPResponseStatus
    let contentType: String
    let body: Data
  }

  private struct TimeIsOver: Error {}

  /// Sends a request and reads the answer as JSON.
  ///
  /// - Returns: what was answered, and with which HTTP status.
  func send<Value: Decodable>(
    _ request: APIRequest, as type: Value.Type = Value.self
  ) async throws(JobClientError) -> (value: Value, status: HTTPResponseStatus) {
    let answer = try await answer(to: request)
    guard (200..<300).contains(answer.status.code) else { throw refusal(answer) }
    do {
      try JSONText.check(answer.body.span)
      return (try JSONDecoder().decode(type, from: answer.body), answer.status)
    } catch {
      throw unexpected("\(request.path.joined(separator: "/")): \(Self.explain(error))")
    }
  }

  private func answer(to request: APIRequest) async throws(JobClientError) -> Answer {
    let limit = limits.request + request.patience
    do {
      return try await Self.within(limit) { try await exchange(request, limit: limit) }
    } catch is TimeIsOver {
      throw unreachable("no answer within \(limit)")
    } catch is CancellationError {
      throw .cancelled
    } catch is NIOTooManyBytesError {
      throw unexpected("the answer has more than \(limits.responseBytes) bytes")
    } catch let error as HTTPClientError where error == .cancelled && Task.isCancelled {
      throw .cancelled
    } catch let error as HTTPClientError where error == .deadlineExceeded {
      throw unreachable("no answer within \(limit)")
    } catch let error as HTTPClientError where error == .connectTimeout {
      throw unreachable("the connection is not accepted in time")
    } catch let error as HTTPClientError where error == .remoteConnectionClosed {
      throw unreachable("it closed the connection without an answer")
    } catch let error as NIOConnectionError {
      throw unreachable(Self.explain(error))
    } catch let error as IOError {
      throw unreachable(Self.explain(error))
    } catch {
      throw unreachable("\(error)")
    }
  }

  private func exchange(_ request: APIRequest, limit: Duration) async throws -> Answer {
    var message = HTTPClientRequest(url: server.url(request.path, query: request.query))
    message.method = request.method
    message.headers.add(name: "Accept", value: "application/json")
    if let tenant {
      message.headers.add(name: "X-Tenant-ID", value: tenant.uuidString.lowercased())
    }
    if let user { message.headers.add(name: "X-User-ID", value: user.uuidString.lowercased()) }
    if let token { message.headers.add(name: "Authorization", value: "Bearer \(token)") }
    if let body = request.body {
      message.headers.add(name: "Content-Type", value: "application/json")
      message.body = .bytes(ByteBuffer(bytes: body))
    }
    let response = try await http.execute(message, timeout: TimeAmount(limit))
    let body = try await response.body.collect(upTo: limits.responseBytes)
    return Answer(
      status: response.status, contentType: response.headers.first(name: "Content-Type") ?? "",
      body: Data(body.readableBytesView))
  }

  /// Bounds all of an exchange: the HTTP client's own deadline ends with the head of the answer.
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
      guard let first = try await group.next(), let value = first else { throw TimeIsOver() }
      return value
    }
  }

  private func refusal(_ answer: Answer) -> JobClientError {
    if answer.contentType.lowercased().hasPrefix("application/problem+json"),
      (try? JSONText.check(answer.body.span)) != nil,
      let problem = try? JSONDecoder().decode(Problem.self, from: answer.body)
    {
      return .problem(problem)
    }
    return unexpected("HTTP status \(answer.status.code), and no problem that explains it")
  }

  private func unreachable(_ why: String) -> JobClientError {
    .unreachable(server: server.text, why: why)
  }

  private func unexpected(_ why: String) -> JobClientError {
    .unexpectedAnswer(server: server.text, why: why)
  }

  private static func explain(_ error: NIOConnectionError) -> String {
    if error.connectionErrors.isEmpty, error.dnsAError ?? error.dnsAAAAError != nil {
      return "the name \(error.host) is not known"
    }
    let causes = error.connectionErrors.map { failure in
      (failure.error as? IOError).map { explain($0) } ?? "\(failure.error)"
    }
    return Set(causes).sorted().joined(separator: "; ")
  }

  private static func explain(_ error: IOError) -> String {
    String(cString: strerror(error.errnoCode))
  }

  private static func explain(_ error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, _): "the member \(key.stringValue) is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
      DecodingError.dataCorrupted(let context):
      (context.codingPath.map(\.stringValue) + [context.debugDescription]).joined(separator: ": ")
    default: "\(error)"
    }
  }
}
