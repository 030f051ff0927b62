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
  /// For answers that go on and on.
  let streams: HTTPClient

  private struct Answer: Sendable {
    let status: HTTPResponseStatus
    let contentType: String
    let retryAfter: String?
    let body: Data

    init(_ response: HTTPClientResponse, body: ByteBuffer) {
      status = response.status
      contentType = response.headers.first(name: "Content-Type") ?? ""
      retryAfter = response.headers.first(name: "Retry-After")
      self.body = Data(body.readableBytesView)
    }
  }

  private struct TimeIsOver: Error {}

  /// Sends a request and reads the answer as JSON.
  ///
  /// - Parameter patience: how long it is sent again while the server does not take it now; what the limits have unless it is said.
  /// - Returns: what was answered, and with which HTTP status.
  func send<Value: Decodable>(
    _ request: APIRequest, as type: Value.Type = Value.self, patience: Duration? = nil
  ) async throws(JobClientError) -> (value: Value, status: HTTPResponseStatus) {
    let end = ContinuousClock().now.advanced(by: patience ?? limits.patience)
    var answer = try await answer(to: request)
    while !(200..<300).contains(answer.status.code) {
      try await refusal(answer).pauseAsAsked(until: end)
      answer = try await self.answer(to: request)
    }
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
    } catch {
      throw self.error(for: error, limit: limit)
    }
  }

  /// What an exchange ended with, as callers are told of it.
  func error(for error: any Error, limit: Duration) -> JobClientError {
    switch error {
    case is TimeIsOver: unreachable("no answer within \(limit)")
    case is CancellationError: .cancelled
    case is NIOTooManyBytesError:
      unexpected("the answer has more than \(limits.responseBytes) bytes")
    case let error as HTTPClientError where error == .cancelled && Task.isCancelled: .cancelled
    case let error as HTTPClientError where error == .deadlineExceeded || error == .readTimeout:
      unreachable("no answer within \(limit)")
    case let error as HTTPClientError where error == .connectTimeout:
      unreachable("the connection is not accepted in time")
    case let error as HTTPClientError where error == .remoteConnectionClosed:
      unreachable("it closed the connection without an answer")
    case let error as NIOConnectionError: unreachable(Self.explain(error))
    case let error as IOError: unreachable(Self.explain(error))
    default: unreachable("\(error)")
    }
  }

  /// Begins a stream.
  ///
  /// - Returns: `nil` where the server says that there is nothing more to come (204).
  func open(
    _ request: APIRequest, headers: [(name: String, value: String)]
  ) async throws(JobClientError) -> HTTPClientResponse? {
    let answer: Answer
    do {
      var message = self.message(request)
      for (name, value) in headers { message.headers.replaceOrAdd(name: name, value: value) }
      let response = try await streams.execute(message, timeout: TimeAmount(limits.request))
      if response.status == .ok { return response }
      if response.status == .noContent { return nil }
      answer = Answer(response, body: try await response.body.collect(upTo: limits.responseBytes))
    } catch {
      throw self.error(for: error, limit: limits.request)
    }
    let refusal = self.refusal(answer)
    // From a proxy whose server is away.
    if case .unexpectedAnswer(_, let why) = refusal, answer.status.code >= 500 {
      throw unreachable(why)
    }
    throw refusal
  }

  private func message(_ request: APIRequest) -> HTTPClientRequest {
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
    return message
  }

  private func exchange(_ request: APIRequest, limit: Duration) async throws -> Answer {
    let response = try await http.execute(message(request), timeout: TimeAmount(limit))
    return Answer(response, body: try await response.body.collect(upTo: limits.responseBytes))
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
      var problem = try? JSONDecoder().decode(Problem.self, from: answer.body)
    {
      // Only a proxy gives a date; what it means then is for people.
      if let seconds = answer.retryAfter.flatMap(Int64.init), (0...86_400).contains(seconds) {
        problem.retryAfter = .seconds(seconds)
      }
      return .problem(problem)
    }
    return unexpected("HTTP status \(answer.status.code), and no problem that explains it")
  }

  func unreachable(_ why: String) -> JobClientError {
    .unreachable(server: server.text, why: why)
  }

  func unexpected(_ why: String) -> JobClientError {
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

/// One request to the API.
struct APIRequest: Sendable {
  var method = HTTPMethod.GET
  /// The parts of the path, not yet percent-encoded.
  var path: [String]
  var query: [(name: String, value: String)] = []
  /// JSON.
  var body: Data?
  /// How long the server may take before it begins with the answer, on top of the client's own limit.
  var patience = Duration.zero
}

/// Where a server's API is.
struct ServerURL: Sendable, Hashable {
  /// Without a slash at the end.
  let text: String

  /// - Throws: ``JobClientError/invalidRequest(_:)`` that says what would be right. The URL is not repeated when it holds a
  ///   password.
  init(_ text: String) throws(JobClientError) {
    let example = "a server is given as in http://127.0.0.1:8080"
    guard let components = URLComponents(string: text), let scheme = components.scheme,
      ["http", "https"].contains(scheme.lowercased())
    else {
      throw .invalidRequest(
        "'\(text.prefix { $0 != "@" }.prefix(100))' is no http:// URL; \(example)")
    }
    guard components.user == nil, components.password == nil else {
      throw .invalidRequest("the server's URL must not hold a user or a password; \(example)")
    }
    guard let host = components.host, !host.isEmpty else {
      throw .invalidRequest("'\(text.prefix(100))' names no host; \(example)")
    }
    guard components.query == nil, components.fragment == nil else {
      throw .invalidRequest("'\(text.prefix(100))' has a query or a fragment; \(example)")
    }
    if let port = components.port, !(1...65_535).contains(port) {
      throw .invalidRequest("the port must be 1 to 65535, not \(port); \(example)")
    }
    var trimmed = Substring(text)
    while trimmed.last == "/" { trimmed.removeLast() }
    self.text = String(trimmed)
  }

  /// The URL of a resource.
  ///
  /// - Parameters:
  ///   - path: its parts, not yet percent-encoded.
  ///   - query: likewise.
  func url(_ path: [String], query: [(name: String, value: String)] = []) -> String {
    let path = path.map { "/" + Self.encode($0) }.joined()
    guard !query.isEmpty else { return text + path }
    let pairs = query.map { "\(Self.encode($0.name))=\(Self.encode($0.value))" }
    return "\(text)\(path)?\(pairs.joined(separator: "&"))"
  }

  /// Encodes all but the unreserved characters (RFC 3986, section 2.3), and the colon of job types for its looks.
  private static func encode(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF")
    var encoded = ""
    for byte in text.utf8 {
      let scalar = Character(UnicodeScalar(byte))
      if scalar.isASCII, scalar.isLetter || scalar.isNumber || "-._~:".contains(scalar) {
        encoded.append(scalar)
      } else {
        encoded += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
      }
    }
    return encoded
  }
}
