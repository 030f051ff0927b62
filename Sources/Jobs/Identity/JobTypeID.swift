/// The identity of a job type: its group and its name, as in `media:checksum`.
public struct JobTypeID: Sendable, Hashable, Comparable {
  /// What stands between group and name (`JobGroupSeparator` of the reference).
  public static let separator: Character = ":"

  /// The name of its group.
  public let group: String
  /// Its name within the group; may have colons of its own.
  public let name: String

  /// - Throws: ``NameError`` when the group is no ``JobName``, or the name not one or several with colons between them.
  public init(group: String, name: String) throws(NameError) {
    self.group = try JobName.validate(group, of: "job group")
    self.name = try JobName.validateType(name)
  }

  /// Reads `group:name`; the first colon ends the group.
  ///
  /// - Throws: ``NameError`` when the text is not of that form.
  public init(_ text: String) throws(NameError) {
    let parts = text.split(
      separator: Self.separator, maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else {
      throw NameError("'\(text.prefix(100))' is no job type; a job type is written group:name")
    }
    try self.init(group: String(parts[0]), name: String(parts[1]))
  }

  public static func < (lhs: JobTypeID, rhs: JobTypeID) -> Bool {
    (lhs.group, lhs.name) < (rhs.group, rhs.name)
  }
}

extension JobTypeID: CustomStringConvertible {
  public var description: String { "\(group)\(Self.separator)\(name)" }
}

extension JobTypeID: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    do {
      try self.init(container.decode(String.self))
    } catch let error as NameError {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
