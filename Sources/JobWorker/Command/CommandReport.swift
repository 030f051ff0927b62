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
