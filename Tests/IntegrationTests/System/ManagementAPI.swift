import AsyncHTTPClient
import Foundation
import Jobs
import NIOCore
import NIOHTTP1

/// The broker's management API: what operators see.
struct ManagementAPI: Sendable {
  let base: String

  func get(_ path: String) async throws -> JSONValue {
    var request = HTTPClientRequest(url: base + path)
    request.setBasicAuth(username: "guest", password: "guest")
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
    return try JSONValue(
      parsing: try await response.body.collect(upTo: 16 << 20).readableBytesView)
  }

  func delete(_ path: String) async throws {
    var request = HTTPClientRequest(url: base + path)
    request.method = .DELETE
    request.setBasicAuth(username: "guest", password: "guest")
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
    guard response.status == .noContent else {
      throw NotInTime(what: "\(path): \(response.status)")
    }
  }

  /// The messages that stand in a queue, read without taking them.
  func messages(in queue: String, count: Int = 100) async throws -> [JSONValue] {
    var request = HTTPClientRequest(url: "\(base)/api/queues/%2F/\(queue)/get")
    request.method = .POST
    request.setBasicAuth(username: "guest", password: "guest")
    request.headers.add(name: "content-type", value: "application/json")
    let wish: JSONValue = [
      "count": .integer(Int64(count)), "ackmode": "ack_requeue_true", "encoding": "auto",
    ]
    request.body = .bytes(Array(wish.text.utf8))
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
    let body = try await response.body.collect(upTo: 16 << 20)
    guard case .array(let messages) = try JSONValue(parsing: body.readableBytesView) else {
      return []
    }
    return messages
  }
}
