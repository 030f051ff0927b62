/// What travels with a job besides its params, from whoever schedules it to its callback: a trace context, the id of a request.
///
/// An entry has a name and a text. Three names are those of W3C Trace Context and W3C Baggage: what is no such header is
/// left out, and never refuses a job, since a trace begins anew then.
public enum CarriedContext {
  /// The most entries of one job.
  public static let mostEntries = 32
  /// The most characters of a name: `a` to `z`, digits, `_`, `.` and `-`.
  public static let longestName = 64
  /// The most bytes of a value, in UTF-8.
  public static let longestValue = 4096
  /// The most bytes of all names and values together.
  public static let mostBytes = 8 << 10

  /// What W3C Trace Context calls the headers that say which trace a request is part of.
  public static let traceparent = "traceparent"
  /// What goes with ``traceparent``, and is of no use without it.
  public static let tracestate = "tracestate"
  /// The header of W3C Baggage.
  public static let baggage = "baggage"
  /// All three.
  public static let traceHeaders = [traceparent, tracestate, baggage]

  /// The context as a job has it: without trace headers that are malformed, or for which there is no room.
  ///
  /// - Throws: ``CarriedContextError`` for any other entry that is not what it has to be.
  public static func checked(
    _ given: [String: String]
  ) throws(CarriedContextError) -> [String: String] {
    guard !given.isEmpty else { return given }
    var context = given
    for name in traceHeaders {
      if let value = context[name], !isWellFormed(name, value) { context[name] = nil }
    }
    if context[traceparent] == nil { context[tracestate] = nil }
    let own = context.filter { !traceHeaders.contains($0.key) }
    for (name, value) in own.sorted(by: { $0.key < $1.key }) { try check(name, value) }
    guard own.count <= mostEntries else {
      throw CarriedContextError("the context has \(own.count) entries; \(mostEntries) are the most")
    }
    guard bytes(own) <= mostBytes else {
      throw CarriedContextError(
        "the context has \(bytes(own)) bytes, names and values together; \(mostBytes) are the most")
    }
    for name in traceHeaders.reversed()
    where context.count > mostEntries || bytes(context) > mostBytes {
      context[name] = nil
    }
    return context
  }

  /// The trace that the job comes from; its context has been checked.
  static func traceID(of context: [String: String]) -> Substring? {
    guard let parts = context[traceparent]?.split(separator: "-"), parts.count >= 4 else {
      return nil
    }
    return parts[1]
  }

  /// About how many bytes it takes where it is stored or sent.
  package static func size(_ context: [String: String]) -> Int {
    context.isEmpty ? 0 : bytes(context) + 16 * context.count
  }

  private static func bytes(_ context: [String: String]) -> Int {
    context.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
  }

  private static func check(_ name: String, _ value: String) throws(CarriedContextError) {
    guard (1...longestName).contains(name.utf8.count), name.utf8.allSatisfy(isOfName) else {
      throw CarriedContextError(
        "'\(name.shortened(to: 100))' is no name of a context entry: it must have 1 to \(longestName)"
          + " of the characters a to z, 0 to 9, '_', '.' and '-'")
    }
    guard value.utf8.count <= longestValue else {
      throw CarriedContextError(
        "the context entry \(name) has \(value.utf8.count) bytes; \(longestValue) are the most")
    }
  }

  private static func isOfName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
      true
    default: false
    }
  }

  private static func isWellFormed(_ name: String, _ value: String) -> Bool {
    guard (1...longestValue).contains(value.utf8.count) else { return false }
    return name == traceparent
      ? isTraceparent(Array(value.utf8))
      : value.utf8.allSatisfy { (0x20...0x7E).contains($0) || $0 == 0x09 }
  }

  /// `version-traceid-parentid-flags` (W3C Trace Context, section 3.2). A later version may have more at its end.
  private static func isTraceparent(_ text: [UInt8]) -> Bool {
    func isHex(_ range: Range<Int>) -> Bool {
      text[range].allSatisfy {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
          || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
      }
    }
    func isOnly(_ character: Unicode.Scalar, _ range: Range<Int>) -> Bool {
      text[range].allSatisfy { $0 == UInt8(ascii: character) }
    }
    let dash = UInt8(ascii: "-")
    guard text.count >= 55, text[2] == dash, text[35] == dash, text[52] == dash,
      isHex(0..<2), isHex(3..<35), isHex(36..<52), isHex(53..<55),
      !isOnly("f", 0..<2), !isOnly("0", 3..<35), !isOnly("0", 36..<52)
    else { return false }
    return text.count == 55 || !isOnly("0", 0..<2) && text[55] == dash
  }
}

/// A context that does not travel with a job, and why.
public struct CarriedContextError: Error, Hashable, CustomStringConvertible {
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}
