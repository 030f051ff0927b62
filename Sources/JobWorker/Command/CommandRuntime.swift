import CProcess
import Jobs
import Synchronization
import SystemPackage

/// What all command jobs of a process share: a private directory, through which the programs are told of this process's end,
/// however it ends. Made when the first job needs it, so that a process which only knows the types has none.
///
/// A process that has one cannot be inspected by others of the same user any more, such as the programs that it runs: its
/// memory and its environment hold the broker's password. It leaves no core dump, and debuggers and profilers need root.
package final class CommandRuntime: Sendable {
  private let made = Mutex<WorkerRuntimeDirectory?>(nil)

  private let parent: FilePath?
  private let locator: ShepherdLocator

  /// Nothing is made before it is needed, or ``prepare()`` is called.
  package convenience init() {
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
  package func prepare() throws(CommandError) {
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

  /// Runs a program to its end. Where it cannot be started, a probe tells whose fault that is.
  ///
  /// What the probe does not meet may have passed meanwhile, as a file does that was being written: the program is tried a few
  /// times.
  ///
  /// - Throws: ``CommandError`` for what another try would meet again, ``CommandFailure`` for what it may not, and
  ///   ``WorkerTrouble`` where no program can be started, or none in this directory.
  func run(
    _ process: CommandProcess, onEvent: @escaping CommandProcess.EventHandler
  ) async throws -> CommandOutcome {
    var pause = Pause(first: .milliseconds(200), longest: .seconds(1))
    var tries = 0
    while true {
      tries += 1
      let failure: CommandError
      do throws(CommandError) {
        return try await process.run(in: try directory(), onEvent: onEvent)
      } catch {
        failure = error
      }
      guard failure.mayBeOfWorker else { throw failure }
      try await checkWorker(process.workingDirectory)
      guard failure.isBeforeStart else { throw CommandFailure(description: failure.description) }
      guard tries < Self.tries else {
        throw CommandFailure(
          description:
            "\(failure); tried \(tries) times, while this worker could start other programs")
      }
      do {
        try await Task.sleep(for: pause.take())
      } catch {
        throw CommandError.canceled
      }
    }
  }

  private static let tries = 3

  /// - Throws: ``WorkerTrouble`` when the worker is at fault.
  private func checkWorker(_ workingDirectory: FilePath?) async throws {
    do throws(CommandError) {
      try await probe(in: workingDirectory)
    } catch {
      guard !Task.isCancelled else { throw CommandError.canceled }
      if case .workingDirectory = error {
        throw WorkerTrouble(error.description, scope: .queue) { [self] in
          try await probe(in: workingDirectory)
        }
      }
      throw WorkerTrouble(error.description) { [self] in try await probe() }
    }
  }

  /// Whether programs can be started: takes every step of a start, with params and a snapshot of a few kilobytes, and with the
  /// shepherd in the program's place.
  ///
  /// - Parameter workingDirectory: where the program would start; the worker's own directory when it is `nil`.
  /// - Throws: what a job's program would have met.
  func probe(in workingDirectory: FilePath? = nil) async throws(CommandError) {
    let directory = try directory()
    let command = [directory.shepherd.string, "--check"]
    let filling = JSONValue.string(String(repeating: "x", count: 4096))
    var process = CommandProcess(command: command, params: filling)
    process.snapshot = filling
    process.workingDirectory = workingDirectory
    let outcome = try await process.run(in: directory) { _ in }
    guard outcome.end != .exited(0) else { return }
    throw .cannotStart(
      program: command.joined(separator: " "), reason: "\(outcome.end): \(outcome.errorTail)")
  }
}

/// Room for the descriptors that one start of a program takes.
///
/// It is looked for beforehand, because a start that runs out of them half-way is beyond help: Subprocess 1.0 ends the process
/// when it can open one pipe and not the next, and waits for ever for a program whose process descriptor it could not open.
final class DescriptorRoom: Sendable {
  /// Two pipes, the working directory, what posix_spawn(3) may use, and the process descriptor.
  private static let forStart = 8
  /// For whoever else of the process opens something meanwhile.
  private static let forOthers = 8
  /// What starts have been promised that are under way. Some of it may be taken already, so that this errs on the safe side.
  private static let promised = Mutex(0)

  /// Not before the end of an init that may throw: deinit runs after that, too.
  private let isTaken = Atomic(false)

  /// - Throws: the error of the kernel that a start would meet.
  init() throws(Errno) {
    let failure = Self.promised.withLock { promised -> Errno? in
      var opened: [FileDescriptor] = []
      // Of a directory that is only read, close(2) has nothing to tell.
      defer { for descriptor in opened { try? descriptor.close() } }
      do {
        for _ in 0..<promised + Self.forStart + Self.forOthers {
          opened.append(try .open("/", .readOnly, options: [.directory, .closeOnExec]))
        }
      } catch {
        return error as? Errno ?? .tooManyOpenFiles
      }
      promised += Self.forStart
      return nil
    }
    if let failure { throw failure }
    isTaken.store(true, ordering: .releasing)
  }

  /// The start has what it needs, or has failed.
  func leave() {
    guard isTaken.exchange(false, ordering: .acquiringAndReleasing) else { return }
    Self.promised.withLock { $0 -= Self.forStart }
  }

  deinit { leave() }
}
