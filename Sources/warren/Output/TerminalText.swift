/// Makes text of jobs fit for a terminal: what a job says must neither move the cursor nor set colours.
enum TerminalText {
  /// One line of at most `limit` characters.
  static func line(_ text: String, limit: Int = .max) -> String {
    let line = String(
      String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? " " : $0 }))
    guard line.count > limit else { return line }
    return line.prefix(max(0, limit - 1)) + "…"
  }

  /// Any number of lines.
  static func block(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { isControl($0) && $0 != "\n" && $0 != "\t" ? " " : $0 }))
  }

  /// Control characters, and those that change the direction of what follows.
  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }
}
