import Jobs

/// What a program tells of its job, as lines of JSON, written to the FIFO that `WARREN_REPORT` names.
///
/// ```sh
/// echo '{"progress": 42, "details": "half of it"}' >> "$WARREN_REPORT"
/// echo '{"result": {"sum": 7}}' >> "$WARREN_REPORT"
/// echo '{"skip": "nothing to do"}' >> "$WARREN_REPORT"
/// echo '{"snapshot": {"page": 3}}' >> "$WARREN_REPORT"
/// echo '{"heartbeat": true}' >> "$WARREN_REPORT"
/// echo '{"retry_after": 30}' >> "$WARREN_REPORT"
/// echo '{"snooze": 30, "reason": "not there yet"}' >> "$WARREN_REPORT"
/// ```
///
/// A line of up to 4,096 bytes is never mixed with another process's (PIPE_BUF, pipe(7)).
enum CommandReport: Sendable, Hashable {
  /// `progress` is a percentage; `details`, for people, may stand beside it.
  case progress(JobProgress)
  /// The job's result, if it completes; the last one counts.
  case result(JSONValue)
  /// There is nothing to do; takes the place of a result.
  case skip(String)
  /// The work goes on, as every other report says too.
  case heartbeat
  /// What to continue from another time.
  case snapshot(JSONValue)
  /// When the job runs again, if it fails.
  case retryAfter(CommandRetry)
  /// It is too early: the job runs again after this time; takes the place of a result.
  case snooze(Duration, String?)

  /// Reads one line, which may report several things at once, as in `{"progress": 30, "snapshot": 3}`. Members that this
  /// worker does not know are passed over: a program may be newer than it.
  ///
  /// - Throws: ``CommandReportError`` that says what is wrong with it; then none of it counts.
  static func reports(
    in line: some Collection<UInt8>
  ) throws(CommandReportError) -> [CommandReport] {
    let value: JSONValue
    do {
      // The object around a value is none of its levels.
      value = try JSONValue(parsing: line, maxDepth: JSONValue.maxDepth + 1)
    } catch {
      throw CommandReportError(error.description)
    }
    guard let members = value.members else {
      throw CommandReportError("it is \(value.kind.rawValue), not an object")
    }
    if members["details"] != nil, members["progress"] == nil {
      throw CommandReportError("details can only stand beside progress")
    }
    guard ["result", "skip", "snooze"].count(where: { members[$0] != nil }) <= 1 else {
      throw CommandReportError("a job has one end: it takes one of result, skip and snooze")
    }
    var reports: [CommandReport] = []
    for name in names {
      guard let member = members[name] else { continue }
      reports.append(try CommandReport(name, member, among: members))
    }
    return reports
  }

  static var known: String { names.sorted().joined(separator: ", ") }

  /// In the order in which they are told: the end comes last.
  private static let names = [
    "heartbeat", "progress", "snapshot", "result", "skip", "retry_after", "snooze",
  ]

  private init(
    _ name: String, _ value: JSONValue, among members: [String: JSONValue]
  ) throws(CommandReportError) {
    switch name {
    case "progress":
      guard let percent = Self.number(value) else {
        throw CommandReportError("progress must be a number")
      }
      // Below 0 is as much as above 100: a slip of the program's arithmetic, and no reason to fail.
      self = .progress(JobProgress(percent, try Self.text("details", members)))
    case "heartbeat":
      guard value == .bool(true) else { throw CommandReportError("heartbeat must be true") }
      self = .heartbeat
    case "result": self = .result(value)
    case "snapshot": self = .snapshot(value)
    case "retry_after":
      let isCounted: Bool
      switch members["counted"] {
      case .bool(let given): isCounted = given
      case .null, .none: isCounted = true
      default: throw CommandReportError("counted must be true or false")
      }
      self = .retryAfter(CommandRetry(delay: try Self.duration(name, value), counted: isCounted))
    case "snooze":
      self = .snooze(try Self.duration(name, value), try Self.text("reason", members))
    default:
      guard case .string(let reason) = value else {
        throw CommandReportError("skip must be a string, the reason")
      }
      self = .skip(reason)
    }
  }

  private static func number(_ value: JSONValue) -> Double? {
    switch value {
    case .integer(let number): Double(number)
    case .number(let number): number
    default: nil
    }
  }

  private static func duration(
    _ name: String, _ value: JSONValue
  ) throws(CommandReportError) -> Duration {
    guard let duration = number(value).flatMap(Duration.init(checkedSeconds:)) else {
      throw CommandReportError(
        "\(name) must be a number of seconds from 0 to \(Int64(Duration.longest.seconds))")
    }
    return duration
  }

  private static func text(
    _ name: String, _ members: [String: JSONValue]
  ) throws(CommandReportError) -> String? {
    switch members[name] {
    case .string(let given): given
    case .null, .none: nil
    default: throw CommandReportError("\(name) must be a string")
    }
  }
}

/// When a job runs again whose program fails.
struct CommandRetry: Sendable, Hashable {
  let delay: Duration
  /// Whether that uses up a retry.
  var counted = true
}

/// Why a line that a program wrote to `WARREN_REPORT` is no report.
struct CommandReportError: Error, Hashable, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description.shortened(to: 600)
  }
}

/// Reads one program's reports until it is gone.
struct ReportReader: Sendable {
  let limits: CommandLimits
  let onEvent: CommandProcess.EventHandler

  /// What has been reported by the end.
  struct Finding: Sendable, Hashable {
    /// The result or skip that was reported last.
    var conclusion: CommandOutcome.Conclusion?
    /// The last that was reported.
    var retry: CommandRetry?
    private var lost: Lost?

    /// The first line that was no report, and how many there were.
    private struct Lost: Sendable, Hashable {
      let reason: String
      var count = 0
    }

    /// What is lost, for people; `nil` when nothing is.
    var lostReport: String? {
      guard let lost else { return nil }
      return lost.reason
        + (lost.count > 1 ? " (and \(lost.count - 1) more lines that are lost)" : "")
    }

    fileprivate mutating func lose(_ reason: String) {
      if lost == nil { lost = Lost(reason: reason) }
      lost?.count += 1
    }
  }

  func read(_ pipe: ReportPipe) async -> Finding {
    var splitter = LineSplitter(limit: limits.reportLine)
    var finding = Finding()
    while let bytes = await pipe.next() {
      for line in splitter.append(bytes) { await handle(line, &finding) }
    }
    if let line = splitter.finish() { await handle(line, &finding) }
    return finding
  }

  private func handle(_ line: LineSplitter.Line, _ finding: inout Finding) async {
    guard !line.isCut else {
      return await lose(
        line, "it has \(line.length) bytes, and \(limits.reportLine) are allowed", &finding)
    }
    guard line.bytes.contains(where: { !$0.isBlank }) else { return }
    let reports: [CommandReport]
    do throws(CommandReportError) {
      reports = try CommandReport.reports(in: line.bytes)
      try check(reports)
    } catch {
      return await lose(line, error.description, &finding)
    }
    if reports.isEmpty { await onEvent(.warning(unknown(line))) }
    for report in reports {
      switch report {
      case .result(let value): finding.conclusion = .result(value)
      case .skip(let reason): finding.conclusion = .skip(reason)
      case .snooze(let delay, let reason): finding.conclusion = .snooze(delay, reason)
      case .retryAfter(let retry): finding.retry = retry
      case .progress, .snapshot, .heartbeat: break
      }
      await onEvent(.report(report))
    }
  }

  /// A snapshot is checked here, where it is known which line it came from; a result when the job ends with it.
  private func check(_ reports: [CommandReport]) throws(CommandReportError) {
    for case .snapshot(let snapshot) in reports {
      let size = snapshot.text.utf8.count
      guard size <= limits.snapshot else {
        throw CommandReportError(
          SnapshotError.tooLarge(size, limit: limits.snapshot).description)
      }
    }
  }

  private func lose(
    _ line: LineSplitter.Line, _ reason: String, _ finding: inout Finding
  ) async {
    let message = "a line in WARREN_REPORT is no report: \(reason); it begins: \(line.beginning)"
    finding.lose(message)
    await onEvent(.warning(message))
  }

  private func unknown(_ line: LineSplitter.Line) -> String {
    "a line in WARREN_REPORT has none of \(CommandReport.known), and tells nothing to this worker; it"
      + " begins: \(line.beginning)"
  }
}

extension LineSplitter.Line {
  fileprivate var beginning: String {
    LogText.escaped(String(decoding: bytes.prefix(80), as: UTF8.self))
  }
}

extension UInt8 {
  /// White space in JSON (RFC 8259, section 2).
  fileprivate var isBlank: Bool { [0x20, 0x09, 0x0A, 0x0D].contains(self) }
}
