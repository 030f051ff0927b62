import Foundation
import HTTPTypes
import Hummingbird
import Jobs
import NIOCore

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
