import Jobs

/// What a program tells of its job: one line of JSON, written to the FIFO that `WARREN_REPORT`
/// names.
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

  /// Reads one line.
  ///
  /// - Throws: ``CommandReportError`` that says what is wrong with it.
  init(line: some Collection<UInt8>) throws(CommandReportError) {
    let value: JSONValue
    do {
      value = try JSONValue(parsing: line)
    } catch {
      throw CommandReportError(error.description)
    }
    guard let members = value.members else {
      throw CommandReportError("it is \(value.kind.rawValue), not an object")
    }
    let subjects = members.keys.filter { $0 != "details" }.sorted()
    guard let subject = subjects.first, subjects.count == 1 else {
      throw CommandReportError("it takes exactly one of progress, result, skip and snapshot")
    }
    if subject != "progress", members["details"] != nil {
      throw CommandReportError("details can only stand beside progress")
    }
    switch (subject, members[subject]) {
    case ("progress", .integer(let percent)):
      self = try .progress(Self.progress(Double(percent), members["details"]))
    case ("progress", .number(let percent)):
      self = try .progress(Self.progress(percent, members["details"]))
    case ("progress", _): throw CommandReportError("progress must be a number")
    case ("result", .some(let result)): self = .result(result)
    case ("snapshot", .some(let snapshot)): self = .snapshot(snapshot)
    case ("skip", .string(let reason)): self = .skip(reason)
    case ("skip", _): throw CommandReportError("skip must be a string, the reason")
    default:
      throw CommandReportError(
        "'\(subject)' is unknown; known are progress, result, skip and snapshot")
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
      return try JobProgress(percent, text)
    } catch {
      throw CommandReportError(error.description)
    }
  }
}
