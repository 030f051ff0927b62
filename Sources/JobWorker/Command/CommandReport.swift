import Jobs

/// What a program tells of its job, as lines of JSON, written to the FIFO that `WARREN_REPORT` names.
///
/// ```sh
/// echo '{"progress": 42, "details": "half of it"}' >> "$WARREN_REPORT"
/// echo '{"result": {"sum": 7}}' >> "$WARREN_REPORT"
/// echo '{"skip": "nothing to do"}' >> "$WARREN_REPORT"
/// echo '{"snapshot": {"page": 3}}' >> "$WARREN_REPORT"
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
  /// What to continue from another time.
  case snapshot(JSONValue)

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
    if members["result"] != nil, members["skip"] != nil {
      throw CommandReportError("a skipped job has no result: it takes one of result and skip")
    }
    var reports: [CommandReport] = []
    for name in names {
      guard let member = members[name] else { continue }
      reports.append(try CommandReport(name, member, details: members["details"]))
    }
    return reports
  }

  /// In the order in which they are told: the end comes last.
  private static let names = ["progress", "snapshot", "result", "skip"]

  private init(
    _ name: String, _ value: JSONValue, details: JSONValue?
  ) throws(CommandReportError) {
    switch (name, value) {
    case ("progress", .integer(let percent)):
      self = try .progress(Self.progress(Double(percent), details))
    case ("progress", .number(let percent)):
      self = try .progress(Self.progress(percent, details))
    case ("progress", _): throw CommandReportError("progress must be a number")
    case ("result", _): self = .result(value)
    case ("snapshot", _): self = .snapshot(value)
    case (_, .string(let reason)): self = .skip(reason)
    default: throw CommandReportError("skip must be a string, the reason")
    }
  }

  private static func progress(
    _ percent: Double, _ details: JSONValue?
  ) throws(CommandReportError) -> JobProgress {
    let text: String?
    switch details {
    case .string(let given): text = given
    case .null, .none: text = nil
    default: throw CommandReportError("details must be a string")
    }
    do {
      // Below 0 is as much as above 100: a slip of the program's arithmetic, and no reason to fail.
      return try JobProgress(max(0, percent), text)
    } catch {
      throw CommandReportError(error.description)
    }
  }
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
      case .progress, .snapshot: break
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
    "a line in WARREN_REPORT has none of progress, result, skip and snapshot, and tells nothing to "
      + "this worker; it begins: \(line.beginning)"
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
