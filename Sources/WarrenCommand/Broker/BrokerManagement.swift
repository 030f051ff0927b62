import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// The broker's management API, as its administrator sees it.
struct BrokerManagement: Sendable {
  private static let timeout = TimeAmount.seconds(20)
  private static let mostBytes = 1 << 20

  private let base: String
  private let user: String
  private let password: String

  /// - Throws: ``BrokerSetupError`` for a URL that is none, or that holds a password.
  init(url: String, user: String, password: String) throws(BrokerSetupError) {
    guard let parts = URLComponents(string: url), ["http", "https"].contains(parts.scheme),
      parts.host?.isEmpty == false, parts.user == nil, parts.query == nil
    else {
      throw .usage(
        "--management takes a URL like http://127.0.0.1:15672, without user and password")
    }
    base = url.hasSuffix("/") ? String(url.dropLast()) : url
    self.user = user
    self.password = password
  }

  /// - Returns: `nil` when there is no such thing.
  func get<Value: Decodable>(_ path: [String], as type: Value.Type) async throws -> Value? {
    guard let body = try await send(.GET, path, nil) else { return nil }
    do {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      return try decoder.decode(type, from: body)
    } catch {
      throw BrokerSetupError.unreachable(
        "\(base) does not answer as RabbitMQ's management API does: \(error)")
    }
  }

  func put(_ path: [String], _ value: some Encodable) async throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    let body = try encoder.encode(value)
    guard try await send(.PUT, path, body) != nil else {
      throw BrokerSetupError.refused("the broker does not know \(path.joined(separator: "/"))")
    }
  }

  private func send(_ method: HTTPMethod, _ path: [String], _ body: Data?) async throws -> Data? {
    let path = path.map { part in
      part.addingPercentEncoding(withAllowedCharacters: .urlHostAllowed.subtracting(["/"])) ?? part
    }
    var request = HTTPClientRequest(url: "\(base)/api/\(path.joined(separator: "/"))")
    request.method = method
    request.setBasicAuth(username: user, password: password)
    if let body {
      request.headers.add(name: "content-type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: body))
    }
    let response: HTTPClientResponse
    let answer: ByteBuffer
    do {
      response = try await HTTPClient.shared.execute(request, timeout: Self.timeout)
      answer = try await response.body.collect(upTo: Self.mostBytes)
    } catch {
      throw BrokerSetupError.unreachable(
        "the management API at \(base) cannot be reached: \(error)")
    }
    switch response.status.code {
    case 200..<300: return Data(answer.readableBytesView)
    case 404: return nil
    case 401:
      throw BrokerSetupError.refused(
        "the management API refuses the user \(user): its password is wrong, or it is no administrator"
      )
    default:
      throw BrokerSetupError.refused(
        "the management API answers \(response.status.code) to \(method.rawValue) \(path.joined(separator: "/")): "
          + String(buffer: answer).prefix(300))
    }
  }
}

/// Why the broker's users could not be set up, or looked at.
enum BrokerSetupError: Error, CustomStringConvertible {
  case usage(String)
  case unreachable(String)
  case refused(String)

  var description: String {
    switch self {
    case .usage(let text), .unreachable(let text), .refused(let text): text
    }
  }
}
