/// Why a program could not be run at all. How one ended that did run is a ``CommandOutcome``.
public enum CommandError: Error, Hashable, CustomStringConvertible {
  /// There is no shepherd at any of these places.
  case noShepherd(looked: [String])
  /// A file or directory of the worker's own could not be made or opened.
  case runtimeDirectory(path: String, reason: String)
  case workingDirectory(path: String, reason: String)
  /// The program itself cannot be run: there is none, say.
  case cannotRun(program: String, reason: String)
  /// The worker could not start it, whichever program it is.
  case cannotStart(program: String, reason: String)
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
    case .workingDirectory(let path, let reason):
      "cannot run in the directory \(path): \(reason)"
    case .cannotRun(let program, let reason):
      "cannot run \"\(program)\": \(reason)"
    case .cannotStart(let program, let reason):
      "cannot start \"\(program)\": \(reason)"
    case .canceled:
      "canceled before the program was started"
    }
  }

  /// Whether the worker is at fault, and every other program would fare the same; not the job or its type.
  var isOfWorker: Bool {
    switch self {
    case .noShepherd, .runtimeDirectory, .cannotStart: true
    case .workingDirectory, .cannotRun, .canceled: false
    }
  }
}
