import SystemPackage

/// Why a program could not be run at all. How one ended that did run is a ``CommandOutcome``.
public enum CommandError: Error, Hashable, CustomStringConvertible {
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

  public var description: String {
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
