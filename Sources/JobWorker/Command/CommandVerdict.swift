import Jobs

/// What a program's end means for its job.
///
/// | end | verdict |
/// |---|---|
/// | exit code 0, `skip` reported last | skipped |
/// | exit code 0, `result` reported last | completed with that |
/// | exit code 0, neither reported | completed with standard output as a string |
/// | exit code 100 | failed for good: no retry |
/// | any other exit code, or a signal | failed: retried as the job's type says |
///
/// Standard output over its limit does not fail the job, whose work is done after all: the result
/// is its beginning, with a last line that says how much is missing. A program with a larger result
/// reports it.
enum CommandVerdict: Sendable, Hashable {
  /// Nil when the program neither reported a result nor wrote anything.
  case completed(JSONValue?)
  case skipped(String)
  case failed(message: String, permanent: Bool)

  /// The exit code by which a program says that another try would fail as well.
  static let permanentFailure: Int32 = 100

  init(_ outcome: CommandOutcome) {
    guard outcome.end == .exited(0) else {
      let reason = outcome.errorTail.isEmpty ? "" : ": \(outcome.errorTail)"
      self = .failed(
        message: "\(outcome.end)\(reason)",
        permanent: outcome.end == .exited(Self.permanentFailure))
      return
    }
    switch outcome.conclusion {
    case .skip(let reason): self = .skipped(reason)
    case .result(let value): self = .completed(value)
    case nil where outcome.output.total == 0: self = .completed(nil)
    case nil: self = .completed(.string(outcome.output.text))
    }
  }
}
