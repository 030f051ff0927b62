import Foundation

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

  /// Writes at once. A reader that has gone ends the process, by SIGPIPE.
  static func write(_ text: String, to stream: Stream) {
    guard !text.isEmpty else { return }
    stream.handle.write(Data(text.utf8))
  }

  static func isTerminal(_ stream: Stream) -> Bool {
    isatty(stream.handle.fileDescriptor) == 1
  }

  /// How many characters a line of the terminal has.
  static func width(of stream: Stream) -> Int {
    var size = winsize()
    guard ioctl(stream.handle.fileDescriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
      return 80
    }
    return Int(size.ws_col)
  }
}
