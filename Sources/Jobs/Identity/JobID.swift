public import Foundation

/// The identity of a job: a UUID, version 7 when Warren makes it, so that ids sort by the time of their making.
public struct JobID: Sendable, Hashable, Comparable {
  /// The same as a UUID.
  public let uuid: UUID

  /// The id with this UUID.
  public init(_ uuid: UUID) {
    self.uuid = uuid
  }

  /// A new id.
  public init() {
    self.init(UUID.version7())
  }

  public static func < (lhs: JobID, rhs: JobID) -> Bool {
    lhs.uuid < rhs.uuid
  }
}

extension JobID: LosslessStringConvertible {
  /// Reads the usual 36 characters, in either case; anything else is `nil`.
  public init?(_ text: String) {
    guard let uuid = UUID(uuidString: text) else { return nil }
    self.init(uuid)
  }

  /// The usual 36 characters, in lower case.
  public var description: String { uuid.uuidString.lowercased() }
}

extension JobID: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let id = JobID(text) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "'\(text)' is no job id; a job id is a UUID")
    }
    self = id
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
