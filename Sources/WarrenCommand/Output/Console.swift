import Foundation
import JobClient

/// Where text goes, and what stands at the other end.
enum Console {
  enum Stream {
    case output, error

    fileprivate var handle: FileHandle {
      switch self {
      case .output: .standardOutput
      case .error: .standardError
      }
    }
  }

  /// Writes at once. A reader that has gone ends the process, as SIGPIPE does where nobody ignores it; the HTTP client does.
  static func write(_ text: String, to stream: Stream) {
    guard !text.isEmpty else { return }
    do {
      try stream.handle.write(contentsOf: Data(text.utf8))
    } catch {
      exit(128 + SIGPIPE)
    }
  }

  static func isTerminal(_ stream: Stream) -> Bool {
    isatty(stream.handle.fileDescriptor) == 1
  }

  /// How many characters a line of the terminal has.
  static func width(of stream: Stream) -> Int { size(of: stream).width }

  /// How many characters a line of the terminal has, and how many lines it shows.
  static func size(of stream: Stream) -> (width: Int, height: Int) {
    var size = winsize()
    guard ioctl(stream.handle.fileDescriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0,
      size.ws_row > 0
    else { return (80, 24) }
    return (Int(size.ws_col), Int(size.ws_row))
  }
}

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

  /// One line, with control characters spelled out: `\u{1B}` stands for an escape character.
  static func spelled(_ text: String) -> String {
    var spelled = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      guard isControl(scalar), scalar != "\t" else {
        spelled.append(scalar)
        continue
      }
      let code = String(scalar.value, radix: 16, uppercase: true)
      spelled.append(contentsOf: "\\u{\(code)}".unicodeScalars)
    }
    return String(spelled)
  }

  /// Control characters, and those that change the direction of what follows.
  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }
}

/// The server's answers as it gave them: one JSON document, with the API's names.
enum JSONOutput {
  static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
  }
}
