/// Places within a JSON value (RFC 6901).
package enum JSONPointer {
  /// More bytes of a pointer are not told: whoever sends something chooses the names in it.
  static let longest = 1_000

  static func text(_ path: [String]) -> String {
    var text = ""
    for name in path {
      // A little more than is told, so that what is told does not depend on where this cuts.
      let name = name.shortened(to: longest + 8)
      text += "/" + name.replacing("~", with: "~0").replacing("/", with: "~1")
      if text.utf8.count > longest { return text.shortened(to: longest) }
    }
    return text
  }

  /// `nil` where the text is none.
  package static func path(_ pointer: String) -> [String]? {
    guard !pointer.isEmpty else { return [] }
    guard pointer.utf8.first == UInt8(ascii: "/") else { return nil }
    return pointer.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map {
      String($0).replacing("~1", with: "/").replacing("~0", with: "~")
    }
  }
}
