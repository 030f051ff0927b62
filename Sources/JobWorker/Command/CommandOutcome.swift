import Jobs
import SystemPackage

/// How a program ended.
enum CommandEnd: Sendable, Hashable, CustomStringConvertible {
  case exited(Int32)
  case signaled(Int32)
  /// It survives SIGKILL: it hangs in the kernel.
  case leftBehind

  var description: String {
    switch self {
    case .exited(let code): "exit code \(code)"
    case .signaled(let number): "killed by \(Self.names[number] ?? "signal") (\(number))"
    case .leftBehind: "it hangs in the kernel, and survives SIGKILL"
    }
  }

  /// The signals that end programs, by their numbers (signal(7), x86 and ARM).
  private static let names: [Int32: String] = [
    1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS",
    8: "SIGFPE", 9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE",
    14: "SIGALRM", 15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS",
  ]

  /// Whether this is how a program ends that was asked to: by such a signal, or as a shell says it.
  var isByRequest: Bool {
    switch self {
    case .signaled(let number): [1, 2, 3, 15].contains(number)
    case .exited(let code): [129, 130, 131, 143].contains(code)
    case .leftBehind: false
    }
  }
}

/// What happens while a program runs.
enum CommandEvent: Sendable, Hashable {
  /// A line of its standard error, for the job's log.
  case log(String)
  /// A line of its standard error that is one too many for the process's log: it is kept with the job alone.
  case keptLog(String)
  /// Something is amiss, for the job's log.
  case warning(String)
  case report(CommandReport)
}

/// All that is known of a program that has run.
struct CommandOutcome: Sendable, Hashable {
  var end: CommandEnd
  var output: OutputHead
  /// The end of its standard error.
  var errorTail: String
  /// The last result or skip that it reported, if it did.
  var conclusion: Conclusion?
  /// When it is to run again should it fail, if it has said so.
  var retry: CommandRetry?
  /// It was told to end from outside, and not by its worker: all processes of its service were, mostly.
  var isInterrupted = false
  /// What it reported and is lost, and why.
  var lostReport: String?

  enum Conclusion: Sendable, Hashable {
    case result(JSONValue)
    case skip(String)
    case snooze(Duration, String?)
  }
}

/// What a program's end means for its job.
///
/// | end | verdict |
/// |---|---|
/// | exit code 0, a report was lost | failed for good: what it told is not known |
/// | exit code 0, `skip` reported last | skipped |
/// | exit code 0, `result` reported last | completed with that |
/// | exit code 0, neither reported | completed with standard output as a string |
/// | any, `snooze` reported last, and no report lost | snoozed |
/// | exit code 100 | failed for good: no retry |
/// | any other, after a signal to all processes | interrupted: given back |
/// | any other, `retry_after` reported | failed, run again after that time |
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
  case retryAfter(message: String, CommandRetry)
  case snoozed(Duration, String?)
  case interrupted(String)

  /// The exit code by which a program says that another try would fail as well.
  static let permanentFailure: Int32 = 100

  init(_ outcome: CommandOutcome) {
    if outcome.lostReport == nil, case .snooze(let delay, let reason) = outcome.conclusion {
      self = .snoozed(delay, reason)
      return
    }
    guard outcome.end == .exited(0) else {
      var message = "\(outcome.end)"
      if !outcome.errorTail.isEmpty { message += ": \(outcome.errorTail)" }
      if let lost = outcome.lostReport { message += "; \(lost)" }
      let isPermanent = outcome.end == .exited(Self.permanentFailure)
      if isPermanent {
        self = .failed(message: message, permanent: true)
      } else if outcome.isInterrupted {
        self = .interrupted(message)
      } else if let retry = outcome.retry {
        self = .retryAfter(message: message, retry)
      } else {
        self = .failed(message: message, permanent: false)
      }
      return
    }
    if let lost = outcome.lostReport {
      self = .failed(message: lost, permanent: true)
      return
    }
    switch outcome.conclusion {
    case .skip(let reason): self = .skipped(reason)
    case .snooze(let delay, let reason): self = .snoozed(delay, reason)
    case .result(let value): self = .completed(value)
    case nil where outcome.output.total == 0: self = .completed(nil)
    case nil: self = .completed(.string(outcome.output.text))
    }
  }
}

/// A program that has failed and may be tried again.
struct CommandFailure: Error, Hashable, CustomStringConvertible {
  let description: String
  /// It ended as one does that is asked to by a signal.
  var isBySignal = false
}

/// Why a program could not be run at all. How one ended that did run is a ``CommandOutcome``.
package enum CommandError: Error, Hashable, CustomStringConvertible {
  /// There is no shepherd at any of these places.
  case noShepherd(looked: [String])
  /// A file or directory of the worker's own could not be made or opened.
  case runtimeDirectory(path: String, reason: String)
  /// What the program is to read could not be written into the worker's directory.
  case cannotWrite(what: String, bytes: Int, path: String, reason: String)
  /// The directory that the type's programs start in cannot be entered.
  case workingDirectory(path: String, reason: String)
  /// The program itself cannot be run: there is none, say.
  case cannotRun(program: String, reason: String)
  /// It could not be started, for a reason that may lie in the machine.
  case cannotStart(program: String, reason: String)
  /// It ran, and could not be watched any longer; it was killed.
  case lost(program: String, reason: String)
  /// The task was cancelled before the program was started.
  case canceled

  package var description: String {
    switch self {
    case .noShepherd(let looked):
      """
      command jobs need the program warren-shepherd, which is not at \
      \(looked.joined(separator: ", nor ")); install it beside the worker's executable, \
      or set WARREN_SHEPHERD to its path
      """
    case .runtimeDirectory(let path, let reason):
      "\(path), which command jobs need: \(reason)"
    case .cannotWrite(let what, let bytes, let path, let reason):
      "cannot write \(what), \(bytes) bytes, to \(path): \(reason)"
    case .workingDirectory(let path, let reason):
      "cannot run in the directory \(path): \(reason)"
    case .cannotRun(let program, let reason):
      "cannot run \"\(program)\": \(reason)"
    case .cannotStart(let program, let reason):
      "cannot start \"\(program)\": \(reason)"
    case .lost(let program, let reason):
      "\"\(program)\" was killed, since it could not be watched any longer: \(reason)"
    case .canceled:
      "canceled before the program was started"
    }
  }

  /// Whether the worker may be at fault, so that every other program would fare the same; a probe tells
  /// (``CommandRuntime/probe(in:)``). Else it is the job, or its type.
  var mayBeOfWorker: Bool {
    switch self {
    case .noShepherd, .runtimeDirectory, .cannotWrite, .workingDirectory, .cannotStart, .lost: true
    case .cannotRun, .canceled: false
    }
  }

  /// Whether nothing of the program has run.
  var isBeforeStart: Bool {
    if case .lost = self { false } else { true }
  }
}

extension Error {
  /// Why, as it is told: what the kernel says by its number too.
  var reason: String { (self as? Errno)?.text ?? "\(self)" }
}

extension Errno {
  /// In words, and by its number for those who look it up.
  var text: String { "\(self) (errno \(rawValue))" }
}
