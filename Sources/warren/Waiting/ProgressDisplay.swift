import Jobs

/// What is written while a job is waited for: one line that is drawn again and again on a terminal, a line for each change
/// elsewhere.
struct ProgressDisplay {
  enum Mode: Hashable {
    case terminal(width: Int)
    case plain
  }

  let mode: Mode
  private var last = ""

  init(_ mode: Mode) {
    self.mode = mode
  }

  /// What to write for a job as it is now; empty when there is nothing new.
  mutating func show(_ job: Job, now: Timestamp) -> String {
    let line =
      switch mode {
      case .terminal(let width): ProgressLine.bar(job, now: now, width: width)
      case .plain: ProgressLine.plain(job)
      }
    guard line != last else { return "" }
    last = line
    return switch mode {
    // Back to the first column, and nothing left of the line before.
    case .terminal: "\r\(line)\u{1B}[K"
    case .plain: line + "\n"
    }
  }

  /// What to write before anything else is written.
  mutating func finish() -> String {
    defer { last = "" }
    return mode == .plain || last.isEmpty ? "" : "\n"
  }
}
