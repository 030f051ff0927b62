/// The identity of a job type: its group and its name, as in `media:checksum`.
public struct JobTypeID: Sendable, Hashable, Comparable {
  /// What stands between group and name (`JobGroupSeparator` of the reference).
  public static let separator: Character = ":"

  /// The name of its group.
  public let group: String
  /// Its name within the group; may have colons of its own.
  public let name: String

  /// - Throws: ``NameError`` when the group is no name (1 to 64 letters, digits, `_` and `-`), or the name not one or several with colons between them.
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

  /// The group of the server's own job types: nobody else declares, schedules or runs any.
  package static let reservedGroup = "warren"

  /// Whether it is one of the server's own.
  package var isReserved: Bool { group == Self.reservedGroup }

  public static func < (lhs: JobTypeID, rhs: JobTypeID) -> Bool {
    (lhs.group, lhs.name) < (rhs.group, rhs.name)
  }
}

extension JobTypeID {
  /// The id that stands in the source. One that is none ends the process: it is a slip of the author's.
  public static func named(_ text: StaticString) -> JobTypeID {
    do throws(NameError) {
      return try JobTypeID("\(text)")
    } catch {
      preconditionFailure(error.description)
    }
  }
}

extension JobTypeID: CustomStringConvertible {
  public var description: String { "\(group)\(Self.separator)\(name)" }
}

extension JobTypeID: Codable {
  public init(from decoder: any Decoder) throws {
    self = try decoder.name { text throws(NameError) in try Self(text) }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// What the names of groups, types and queues look like: they become parts of queue names, routing keys and URLs.
package enum JobName {
  /// The longest name, in characters.
  package static let maximumLength = 64

  /// Returns the name of a job type when it is one: ``JobName``s, separated by colons, 64 characters in all.
  ///
  /// - Throws: ``NameError`` that says what is wrong with it.
  package static func validateType(_ name: String) throws(NameError) -> String {
    let parts = name.split(separator: JobTypeID.separator, omittingEmptySubsequences: false)
    guard parts.count > 1 else { return try validate(name, of: "job type") }
    guard name.utf8.count <= maximumLength else {
      throw NameError(
        "'\(name.prefix(100))' is no name of a job type: it has more than \(maximumLength)"
          + " characters")
    }
    for part in parts { _ = try validate(String(part), of: "job type, between its colons") }
    return name
  }

  /// Returns the name when it is one: 1 to 64 of the characters `a-z A-Z 0-9 _ -`.
  ///
  /// - Throws: ``NameError`` that says what of is wrong.
  package static func validate(_ name: String, of kind: String) throws(NameError) -> String {
    let allowed = name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
        true
      default: false
      }
    }
    guard allowed, (1...maximumLength).contains(name.utf8.count) else {
      throw NameError(
        "'\(name.prefix(100))' is no name of a \(kind): it takes 1 to \(maximumLength) of the"
          + " characters a-z A-Z 0-9 _ -")
    }
    return name
  }
}

/// A text that is no name of what it should name.
public struct NameError: Error, Hashable, CustomStringConvertible {
  /// What is wrong with the name, and what would be right.
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}

extension Decoder {
  /// What a text names. One that names nothing is data that is corrupted, in the words of its ``NameError``.
  func name<Name>(_ make: (String) throws(NameError) -> Name) throws -> Name {
    let container = try singleValueContainer()
    let text = try container.decode(String.self)
    do throws(NameError) {
      return try make(text)
    } catch {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
    }
  }
}
