import Foundation
import HTTPTypes
import Jobs

/// Who asks, by the request's headers; whoever names no tenant or no user is the one of zeros.
struct Caller: Equatable {
  static let tenantHeader = "X-Tenant-ID"
  static let userHeader = "X-User-ID"

  let tenant: UUID
  let user: UUID

  init(_ headers: HTTPFields) throws(APIProblem) {
    tenant = try Self.uuid(Self.tenantHeader, in: headers)
    user = try Self.uuid(Self.userHeader, in: headers)
  }

  private static func uuid(_ name: String, in headers: HTTPFields) throws(APIProblem) -> UUID {
    let values = headers.filter { $0.name.canonicalName == name.lowercased() }.map(\.value)
    guard let text = values.first else { return .zero }
    guard values.count == 1 else {
      throw APIProblem(.invalidParameter, "the header \(name) is given twice")
    }
    guard let uuid = UUID(uuidString: text) else {
      throw APIProblem(
        .invalidParameter, "the header \(name) must be a UUID, not '\(text.prefix(100))'")
    }
    return uuid
  }
}
