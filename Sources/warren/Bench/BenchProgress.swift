import Synchronization

/// Says on standard error what a benchmark does and how far it is: one line that is drawn again and again on a terminal, a
/// line now and then elsewhere.
final class BenchProgress: Sendable {
  enum Mode: Sendable, Hashable {
    case terminal(width: Int)
    case plain
  }

  /// How often a count is told elsewhere, in seconds.
  static let interval = 5.0

  private struct State {
    var line = ""
    var lastCount: MonotonicTime?
  }

  private let mode: Mode
  private let write: @Sendable (String) -> Void
  private let state = Mutex(State())

  init(_ mode: Mode, write: @escaping @Sendable (String) -> Void) {
    self.mode = mode
    self.write = write
  }

  /// On standard error, in the way that suits it.
  static func standardError() -> BenchProgress {
    BenchProgress(
      Console.isTerminal(.error) ? .terminal(width: Console.width(of: .error)) : .plain
    ) { Console.write($0, to: .error) }
  }

  /// Something that stays to be read.
  func say(_ text: String) {
    state.withLock { state in
      let clear = state.line.isEmpty ? "" : "\r\u{1B}[K"
      state.line = ""
      write(clear + text + "\n")
    }
  }

  /// What is being done now.
  func step(_ text: String) {
    state.withLock { state in
      state.lastCount = nil
      show("  \(text)", &state)
    }
  }

  /// How far it is.
  func count(_ what: String, _ count: Int, of total: Int, perSecond: Double? = nil) {
    state.withLock { state in
      let now = MonotonicTime.now
      if mode == .plain, let last = state.lastCount, now.seconds(since: last) < Self.interval {
        return
      }
      state.lastCount = now
      let rate = perSecond.map { ", \(Int($0.rounded())) a second" } ?? ""
      show("  \(count) of \(total) \(what)\(rate)", &state)
    }
  }

  /// Before anything else is written.
  func finish() {
    state.withLock { state in
      guard !state.line.isEmpty else { return }
      state.line = ""
      write("\r\u{1B}[K")
    }
  }

  private func show(_ text: String, _ state: inout State) {
    switch mode {
    case .plain: write(text + "\n")
    case .terminal(let width):
      let line = TerminalText.line(text, limit: max(1, width - 1))
      guard line != state.line else { return }
      state.line = line
      write("\r\(line)\u{1B}[K")
    }
  }
}
