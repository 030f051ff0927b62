import CProcess
import Jobs
import Subprocess
import Synchronization
import SystemPackage

/// What all command jobs of a process share: a private directory, through which the programs are told of this process's end,
/// however it ends. Made when the first job needs it, so that a process which only knows the types has none.
///
/// A process that has one cannot be inspected by others of the same user any more, such as the programs that it runs: its
/// memory and its environment hold the broker's password. It leaves no core dump, and debuggers and profilers need root.
public final class CommandRuntime: Sendable {
  private let made = Mutex<WorkerRuntimeDirectory?>(nil)

  private let parent: FilePath?
  private let locator: ShepherdLocator

  /// Nothing is made before it is needed, or ``prepare()`` is called.
  public convenience init() {
    self.init(in: nil, locator: ShepherdLocator())
  }

  /// - Parameter parent: where the directory is made; by default `TMPDIR`, or `/tmp`.
  init(in parent: FilePath?, locator: ShepherdLocator = ShepherdLocator()) {
    self.parent = parent
    self.locator = locator
  }

  /// Makes what is needed now, so that a worker which could not run any command job does not start.
  ///
  /// - Throws: ``CommandError`` when `warren-shepherd` is not installed, or the directory cannot be made.
  public func prepare() throws(CommandError) {
    _ = try directory()
  }

  /// The directory, made anew when somebody has cleaned it away.
  func directory() throws(CommandError) -> WorkerRuntimeDirectory {
    let result = made.withLock { made -> Result<WorkerRuntimeDirectory, CommandError> in
      if let made, made.isIntact { return .success(made) }
      return Result { () throws(CommandError) in
        // The programs run as the same user, and this process knows the broker's password. Fails for no process that there
        // is.
        _ = process_deny_inspection()
        let directory = try WorkerRuntimeDirectory(in: parent, locator: locator)
        // Programs that run hold on to the former one until they end.
        made = directory
        return directory
      }
    }
    return try result.get()
  }

  /// Whether programs can be started: throws what a job's program would have met.
  @Sendable func probe() async throws(CommandError) {
    let directory = try directory()
    let link = try ShepherdLink(in: directory)
    link.close()
    let input = try StandardInput([:], at: directory.newPath("params"))
    input.close()
    let reason: String
    do {
      let result = try await Subprocess.run(
        .path(directory.shepherd), arguments: ["--check"], output: .discarded,
        error: .string(limit: 4096))
      guard !result.terminationStatus.isSuccess else { return }
      reason = "\(result.terminationStatus): \(result.standardError)"
    } catch {
      reason = "\(error)"
    }
    throw .cannotStart(program: "warren-shepherd --check", reason: reason)
  }
}
