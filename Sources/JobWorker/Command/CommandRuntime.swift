import Synchronization

/// What all command jobs of a process share: a private directory, through which the programs are told of this process's end,
/// however it ends. Made when the first job needs it, so that a process which only knows the types has none.
public final class CommandRuntime: Sendable {
  private let made = Mutex<WorkerRuntimeDirectory?>(nil)

  /// Nothing is made before it is needed, or ``prepare()`` is called.
  public init() {}

  /// Makes what is needed now, so that a worker which could not run any command job does not start.
  ///
  /// - Throws: ``CommandError`` when `warren-shepherd` is not installed, or the directory cannot be made.
  public func prepare() throws(CommandError) {
    _ = try directory()
  }

  func directory() throws(CommandError) -> WorkerRuntimeDirectory {
    let result = made.withLock { made -> Result<WorkerRuntimeDirectory, CommandError> in
      if let made { return .success(made) }
      return Result { () throws(CommandError) in
        let directory = try WorkerRuntimeDirectory()
        made = directory
        return directory
      }
    }
    return try result.get()
  }
}
