/// What the names of groups, types and queues look like: they become parts of queue names, routing keys and URLs.
public enum JobName {
  /// The longest name, in characters.
  public static let maximumLength = 64

  /// Returns the name of a job type when it is one: ``JobName``s, separated by colons, 64 characters in all.
  ///
  /// - Throws: ``NameError`` that says what is wrong with it.
  public static func validateType(_ name: String) throws(NameError) -> String {
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
  public static func validate(_ name: String, of kind: String) throws(NameError) -> String {
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
