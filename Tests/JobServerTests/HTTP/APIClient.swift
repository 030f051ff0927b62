import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Jobs
import NIOCore
import Testing

/// Sends requests and reads answers.
struct APIClient: Sendable {
  let client: any TestClientProtocol

  @discardableResult
  func send(
    _ method: HTTPRequest.Method, _ uri: String, headers: HTTPFields = [:], body: String? = nil
  ) async throws -> TestResponse {
    var headers = headers
    if body != nil, headers[.contentType] == nil { headers[.contentType] = "application/json" }
    return try await client.execute(
      uri: uri, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) })
  }

  /// An answer of a known shape.
  func read<Value: Decodable>(
    _ method: HTTPRequest.Method = .get, _ uri: String, as type: Value.Type = Value.self,
    status: HTTPResponse.Status = .ok, tenant: UUID? = nil, body: String? = nil
  ) async throws -> Value {
    var headers = HTTPFields()
    if let tenant, let name = HTTPField.Name("X-Tenant-ID") { headers[name] = tenant.uuidString }
    let response = try await send(method, uri, headers: headers, body: body)
    #expect(response.status == status, "\(String(buffer: response.body))")
    return try response.decoded()
  }

  /// An answer that has to be a problem.
  func problem(
    _ method: HTTPRequest.Method = .get, _ uri: String, headers: HTTPFields = [:],
    body: String? = nil
  ) async throws -> Problem {
    try (try await send(method, uri, headers: headers, body: body)).problem()
  }
}

extension TestResponse {
  func decoded<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
    try JSONDecoder().decode(type, from: Data(body.readableBytesView))
  }

  /// The problem, whose status is that of the response.
  func problem() throws -> Problem {
    #expect(headers[.contentType] == "application/problem+json")
    let problem = try decoded(as: Problem.self)
    #expect(problem.status == status.code)
    #expect(problem.type.hasPrefix("/problems/"))
    #expect(!problem.title.isEmpty)
    #expect(!(problem.detail).isEmpty)
    return problem
  }
}
