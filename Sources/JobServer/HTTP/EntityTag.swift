import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// A strong entity tag (RFC 9110, section 8.8.3): a hash of what it tags, so that it changes whenever that does.
struct EntityTag: Equatable {
  /// With its quotes, as it stands in a header.
  let description: String

  init(of bytes: some Sequence<UInt8>) {
    // Half of the hash is still more than enough to tell two answers apart.
    let digits = SHA256.hash(data: Array(bytes)).prefix(16).map { byte in
      (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    description = "\"\(digits.joined())\""
  }

  /// Whether a client that sends these `If-None-Match` has what is tagged (RFC 9110, section 13.1.2). Tags are compared weakly, and
  /// what comes after something that is no tag does not count.
  func isMatched(by fields: some Sequence<String>) -> Bool {
    for field in fields {
      var rest = field[...].drop(while: Self.isBetween)
      if rest == "*" { return true }
      while !rest.isEmpty {
        if rest.hasPrefix("W/") { rest = rest.dropFirst(2) }
        guard rest.first == "\"", let end = rest.dropFirst().firstIndex(of: "\"") else { break }
        if rest[...end] == description { return true }
        rest = rest[rest.index(after: end)...].drop(while: Self.isBetween)
      }
    }
    return false
  }

  private static func isBetween(_ character: Character) -> Bool {
    character == "," || character == " " || character == "\t"
  }
}

extension Response {
  /// A 200 with an entity tag, or a 304 without a body for a client that has it already.
  ///
  /// - Parameter caching: who may keep it, for `Cache-Control`.
  static func tagged(
    _ body: ByteBuffer, contentType: String, caching: String, headers: HTTPFields = [:],
    for request: Request
  ) -> Response {
    let tag = EntityTag(of: body.readableBytesView)
    var headers = headers
    headers[.eTag] = tag.description
    headers[.cacheControl] = caching
    if tag.isMatched(by: request.headers[values: .ifNoneMatch]) {
      return Response(status: .notModified, headers: headers)
    }
    headers[.contentType] = contentType
    return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: body))
  }
}
