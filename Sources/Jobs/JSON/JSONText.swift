/// Looks at a JSON text from outside before Foundation's decoder does.
///
/// That decoder ends the process at texts that are nested more deeply than its own limit of 512 levels and end there (513
/// opening brackets and nothing else). It also reads UTF-16 and UTF-32, which JSON between systems is not written in (RFC 8259,
/// section 8.1).
package enum JSONText {
  /// As deep as Foundation reads and writes without harm. What carries params, results and snapshots has a few levels more
  /// than ``JSONValue/maxDepth``.
  package static let mostLevels = 500

  /// - Throws: ``JSONError`` when it is nested too deeply, or is not UTF-8. What else is wrong with it, the decoder says.
  package static func check(
    _ bytes: Span<UInt8>, atMost levels: Int = mostLevels
  ) throws(JSONError) {
    var level = 0
    var isInString = false
    var isEscaped = false
    for index in bytes.indices {
      let byte = bytes[index]
      switch byte {
      case 0, 0xFE, 0xFF:
        // No byte of JSON in UTF-8; what other encodings begin with, or are full of.
        throw JSONError("not valid JSON (a byte that is not UTF-8 text)")
      case _ where isEscaped:
        isEscaped = false
      case UInt8(ascii: "\\") where isInString:
        isEscaped = true
      case UInt8(ascii: "\""):
        isInString.toggle()
      case _ where isInString:
        break
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        level += 1
        guard level <= levels else { throw JSONError(tooDeep(levels)) }
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        level -= 1
      default:
        break
      }
    }
  }

  static func tooDeep(_ levels: Int) -> String {
    "arrays and objects are nested more than \(levels) levels deep"
  }
}
