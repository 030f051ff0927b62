import ArgumentParser
import JobClient
import JobConfig
import JobServer
import JobStore
import JobWorker

/// What the exit status of `warren` means. Scripts rely on these numbers.
enum ExitStatus: Int32, CaseIterable {
  case ok = 0
  case jobNotCompleted = 1
  case usage = 2
  case unreachable = 3
  case refused = 4
  case configuration = 5
  case timedOut = 6
  case unexpectedAnswer = 7
  case restartNeeded = 8
  /// As a shell calls it when a program ends by SIGINT.
  case interrupted = 130

  var meaning: String {
    switch self {
    case .ok: "done"
    case .jobNotCompleted: "the job did not complete: it failed, was canceled, skipped or suspended"
    case .usage: "the command line is wrong"
    case .unreachable: "the server or the broker cannot be reached, or the worker is not healthy"
    case .refused: "the server refused, and said why"
    case .configuration: "the configuration is wrong, or its port or its store cannot be used"
    case .timedOut: "the time to wait has passed; the job goes on"
    case .unexpectedAnswer: "what answers is no Warren server of this version, or something broke"
    case .restartNeeded:
      "a worker ended itself, since a callback does not end; start it again"
    case .interrupted: "interrupted by Ctrl-C; a job that was waited for goes on"
    }
  }

  /// One line for each status.
  static var help: String {
    allCases.map { status in
      let number = String(status.rawValue)
      return "  \(number)\(String(repeating: " ", count: 5 - number.count))\(status.meaning)"
    }.joined(separator: "\n")
  }

  /// What a command that ended with an error exits with.
  init(_ error: any Error) {
    switch error {
    case let error as JobClientError: self.init(error)
    case is ConfigurationError, is HTTPServerError, is JWTKeysError: self = .configuration
    case let error as StoreFileError: self = error.isForGood ? .configuration : .unexpectedAnswer
    case is ParamError: self = .usage
    case is Interrupted: self = .interrupted
    case BrokerSetupError.usage: self = .usage
    case BrokerSetupError.unreachable: self = .unreachable
    case BrokerSetupError.refused: self = .refused
    case is StuckWorkerError: self = .restartNeeded
    case is UnhealthyWorker, BenchError.broker: self = .unreachable
    case let code as ExitCode: self = ExitStatus(rawValue: code.rawValue) ?? .unexpectedAnswer
    default:
      // The argument parser's own errors; a request for help is one as well, and no failure.
      switch Warren.exitCode(for: error) {
      case .success: self = .ok
      case .validationFailure: self = .usage
      default: self = .unexpectedAnswer
      }
    }
  }

  private init(_ error: JobClientError) {
    switch error {
    case .invalidRequest: self = .usage
    case .unreachable: self = .unreachable
    case .problem: self = .refused
    case .unexpectedAnswer: self = .unexpectedAnswer
    case .timedOut: self = .timedOut
    case .cancelled: self = .interrupted
    }
  }
}
