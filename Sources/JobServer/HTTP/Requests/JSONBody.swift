import Foundation
import HTTPTypes
import Hummingbird
import Jobs
import NIOCore

/// Reads the body of a request that has to be JSON.
struct JSONBody {
  static let mediaType = "application/json"

  /// In bytes.
  let limit: Int

  /// - Throws: ``APIProblem`` when it is of another media type, larger than the limit, or cut off.
  func bytes(of request: Request) async throws(APIProblem) -> ByteBuffer {
    // Whoever reads it says what is missing, which is not only its type.
    if request.headers[.contentType] == nil, request.hasNoBody { return ByteBuffer() }
    try Self.checkMediaType(request.headers[.contentType])
    // Told before it is read, so that nobody sends it in vain where the length is known.
    if let length = request.headers[.contentLength].flatMap(Int.init), length > limit {
      throw tooLarge
    }
    do {
      return try await request.body.collect(upTo: limit)
    } catch is NIOTooManyBytesError {
      throw tooLarge
    } catch {
      throw APIProblem(.unreadableBody, "the body could not be read to its end")
    }
  }

  /// A body of no stated type is refused as well: a web page may send one anywhere without asking first, and must not
  /// be able to schedule jobs on a server that listens on its reader's own machine.
  static func checkMediaType(_ contentType: String?) throws(APIProblem) {
    guard let stated = contentType.flatMap(MediaType.init(from:)), stated.isType(.applicationJson)
    else {
      let found = contentType.map { "not '\($0.prefix(100))'" } ?? "and the header is missing"
      throw APIProblem(
        .unsupportedMediaType,
        "the body must be JSON, sent with Content-Type: \(mediaType), \(found)",
        headers: [.accept: mediaType])
    }
  }

  private var tooLarge: APIProblem {
    APIProblem(.bodyTooLarge, "the body may have at most \(limit) bytes")
  }
}

extension Request {
  /// Whether there is none by what its headers say (RFC 9112, section 6.3).
  fileprivate var hasNoBody: Bool {
    headers[.transferEncoding] == nil && headers[.contentLength].flatMap(Int.init) ?? 0 == 0
  }

  /// Of a request that takes no body, whose members would be passed over in silence.
  ///
  /// - Throws: ``APIProblem`` when there is one.
  func refuseBody() async throws(APIProblem) {
    do {
      if headers[.contentLength].flatMap(Int.init) ?? 0 == 0 {
        _ = try await body.collect(upTo: 0)
        return
      }
    } catch is NIOTooManyBytesError {
    } catch {
      throw APIProblem(.unreadableBody, "the body could not be read to its end")
    }
    throw APIProblem(
      .invalidBody, "\(method.rawValue) \(uri.path.prefix(200)) takes no body; leave it out")
  }
}

extension Response {
  /// A response whose body is JSON: members sorted, slashes as they are, so that equal answers are equal bytes.
  static func json(
    _ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:],
    contentType: String = "application/json"
  ) throws -> Response {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return .json(
      ByteBuffer(bytes: try encoder.encode(value)), status: status, headers: headers, contentType)
  }

  /// The same, for what is asked for all the time.
  static func json(
    _ value: some JSONWritable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
  ) -> Response {
    .json(ByteBuffer(bytes: value.json), status: status, headers: headers, "application/json")
  }

  private static func json(
    _ body: ByteBuffer, status: HTTPResponse.Status, headers: HTTPFields, _ contentType: String
  ) -> Response {
    var headers = headers
    headers[.contentType] = contentType
    return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: body))
  }
}
