import AsyncHTTPClient
import Foundation
import Jobs
import NIOCore
import NIOFoundationCompat
import NIOHTTP1

/// The HTTP API as any client sees it: paths, statuses and JSON, no types of Warren's.
struct API: Sendable {
  struct Answer: Sendable {
    let status: Int
    let contentType: String
    let body: JSONValue

    subscript(_ member: String) -> JSONValue? { body.members?[member] }

    /// The text of a member; "" when it is not there, or no text.
    func text(_ member: String) -> String {
      if case .string(let text) = self[member] { text } else { "" }
    }
  }

  let base: String

  func get(_ path: String) async throws -> Answer {
    try await send(.GET, path)
  }

  func post(_ path: String, _ body: JSONValue? = nil) async throws -> Answer {
    try await send(.POST, path, body.map { Array($0.text.utf8) })
  }

  func delete(_ path: String) async throws -> Answer {
    try await send(.DELETE, path)
  }

  func send(
    _ method: HTTPMethod, _ path: String, _ body: [UInt8]? = nil,
    headers: [(String, String)] = [], timeout: TimeAmount = .seconds(90)
  ) async throws -> Answer {
    var request = HTTPClientRequest(url: base + path)
    request.method = method
    if let body {
      request.body = .bytes(body)
      request.headers.add(name: "content-type", value: "application/json")
    }
    for (name, value) in headers { request.headers.replaceOrAdd(name: name, value: value) }
    let response = try await HTTPClient.shared.execute(request, timeout: timeout)
    let bytes = try await response.body.collect(upTo: 16 << 20)
    return Answer(
      status: Int(response.status.code),
      contentType: response.headers.first(name: "content-type") ?? "",
      body: bytes.readableBytes == 0 ? .null : try JSONValue(parsing: bytes.readableBytesView))
  }

  /// Schedules a job and returns its id.
  func schedule(_ type: String, _ params: JSONValue = [:], _ more: [String: JSONValue] = [:])
    async throws -> String
  {
    var body: [String: JSONValue] = ["type": .string(type), "params": params]
    body.merge(more) { _, new in new }
    let answer = try await post("/jobs", .object(body))
    guard answer.status == 202 || answer.status == 200 else { throw Refused(answer: answer) }
    return answer.text("id")
  }

  /// Waits until a job is at rest.
  func wait(_ id: String, seconds: Int = 60) async throws -> Answer {
    let answer = try await get("/jobs/\(id)/wait?timeout=\(seconds)")
    guard answer.status == 200 else { throw Refused(answer: answer) }
    return answer
  }

  /// Waits as long as it takes, for at most ten minutes.
  func waitLong(_ id: String) async throws -> Answer {
    for _ in 0..<10 {
      let answer = try await get("/jobs/\(id)/wait?timeout=60")
      if answer.status == 200 { return answer }
      guard answer.status == 202 else { throw Refused(answer: answer) }
    }
    throw NotInTime(what: "the end of \(id)")
  }

  struct Refused: Error, CustomStringConvertible {
    let answer: Answer
    var description: String { "HTTP \(answer.status): \(answer.body.text)" }
  }
}
