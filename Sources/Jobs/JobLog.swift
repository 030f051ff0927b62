public import Logging

/// What is kept with a job of what it logged, and what its worker added to it: the answer to `GET /jobs/{id}/log`.
public struct JobLog: Sendable, Hashable, Codable {
  /// The most lines that are kept of a job; older ones go.
  public static let mostLines = 500
  /// The most bytes of text that are kept of a job; older lines go.
  public static let mostBytes = 64 << 10
  /// The most bytes of one line; a longer one is cut.
  public static let longestLine = 4 << 10
  /// Of this level and above.
  public static let level = Logger.Level.info

  /// The newest lines, in their order.
  public let lines: [JobLogLine]
  /// How many lines the job had that are gone: to make room for newer ones, or because they came faster than they could be
  /// passed on.
  public let dropped: Int64

  /// A log; what a server answers with.
  public init(lines: [JobLogLine], dropped: Int64) {
    self.lines = lines
    self.dropped = dropped
  }

  /// What is shown of all lines that a store has of a job.
  ///
  /// - Parameters:
  ///   - stored: in the order of their numbers; of older ones than are kept some may still be there.
  ///   - number: only lines after it are shown.
  package init(of stored: [JobLogLine], after number: Int64) {
    var bytes = 0
    let kept = stored.suffix(Self.mostLines).reversed().prefix { line in
      bytes += line.text.utf8.count
      return bytes <= Self.mostBytes
    }
    dropped = (stored.last?.number ?? 0) - Int64(kept.count)
    lines = kept.reversed().filter { $0.number > number }
  }
}

/// One line of a job's log.
public struct JobLogLine: Sendable, Hashable, Codable {
  /// From 1; where numbers are missing, lines are gone.
  public let number: Int64
  /// When it was logged, by the worker's clock.
  public let time: Timestamp
  /// How much it matters.
  public let level: Logger.Level
  /// Which attempt logged it.
  public let attempt: Int
  /// What was logged, with the metadata that the callback added as `key=value`. It may have newlines.
  public let text: String

  /// A line; what a server answers with.
  public init(number: Int64, time: Timestamp, level: Logger.Level, attempt: Int, text: String) {
    self.number = number
    self.time = time
    self.level = level
    self.attempt = attempt
    self.text = text
  }
}

/// Lines of one attempt, as its worker reports them.
package struct JobLogSet: Sendable, Hashable {
  /// The most lines of one set.
  package static let mostLines = 100
  /// The most bytes of text of one set.
  package static let mostBytes = 32 << 10

  package struct Line: Sendable, Hashable, Codable {
    package let time: Timestamp
    package let level: Logger.Level
    package let text: String

    /// A line; its text is cut where it is too long.
    package init(time: Timestamp, level: Logger.Level, text: String) {
      self.time = time
      self.level = level
      // With room for the ellipsis.
      self.text =
        text.utf8.count > JobLog.longestLine ? text.shortened(to: JobLog.longestLine - 3) : text
    }
  }

  /// Which line of its attempt the first one is, from 1. What is missing before it has been dropped; what is there already is
  /// not stored again.
  package let first: Int64
  /// In their order.
  package let lines: [Line]

  package init(first: Int64, lines: [Line]) {
    self.first = first
    self.lines = lines
  }

  /// How many bytes of text it has.
  package var bytes: Int { lines.reduce(0) { $0 + $1.text.utf8.count } }
}

/// Where a job's log ends: what a store has to know in order to go on with it.
package struct JobLogEnd: Sendable, Hashable {
  /// The number of the last line; 0 for an empty log.
  package var number: Int64 = 0
  /// The attempt of that line.
  package var attempt = 0
  /// Which line of its attempt it is.
  package var position: Int64 = 0

  package init() {}

  package init(number: Int64, attempt: Int, position: Int64) {
    self.number = number
    self.attempt = attempt
    self.position = position
  }

  /// Goes on with a set.
  ///
  /// - Returns: its lines with their numbers; nothing of what is there already, as the broker may deliver a report twice.
  package mutating func append(_ set: JobLogSet, of attempt: Int) -> [JobLogLine] {
    let before = attempt == self.attempt ? position : 0
    let first = max(set.first, before + 1)
    let lines = set.lines.dropFirst(Int(clamping: first - set.first))
    guard !lines.isEmpty else { return [] }
    let offset = number + first - before - 1
    number = offset + Int64(lines.count)
    self.attempt = attempt
    position = first + Int64(lines.count) - 1
    return lines.enumerated().map { index, line in
      JobLogLine(
        number: offset + Int64(index) + 1, time: line.time, level: line.level, attempt: attempt,
        text: line.text)
    }
  }
}
