import Jobs
import Synchronization
import Testing

@testable import JobWorker

/// A program that runs in a test, and what it has told so far.
final class RunningCommand: Sendable {
  private let directory: WorkerRuntimeDirectory
  private let task: Task<CommandOutcome, any Error>
  private let told: Told

  private final class Told: Sendable {
    let events = Mutex<[CommandEvent]>([])
    let lines: AsyncStream<String>
    let sink: AsyncStream<String>.Continuation

    init() {
      (lines, sink) = AsyncStream.makeStream()
    }
  }

  init(
    _ command: [String], params: JSONValue = [:],
    configure: (inout CommandProcess) -> Void = { _ in }
  ) throws {
    let directory = try WorkerRuntimeDirectory()
    let told = Told()
    var process = CommandProcess(command: command, params: params)
    configure(&process)
    self.directory = directory
    self.told = told
    task = Task { [process] in
      try await process.run(in: directory) { event in
        told.events.withLock { $0.append(event) }
        if case .log(let line) = event { told.sink.yield(line) }
      }
    }
  }

  /// Runs a shell script.
  convenience init(
    sh script: String, _ arguments: String..., params: JSONValue = [:],
    configure: (inout CommandProcess) -> Void = { _ in }
  ) throws {
    try self.init(["sh", "-c", script, "sh"] + arguments, params: params, configure: configure)
  }

  var events: [CommandEvent] { told.events.withLock { $0 } }

  /// Waits for the program's end.
  func outcome() async throws -> CommandOutcome { try await task.value }

  func cancel() { task.cancel() }

  /// Kills the program as the worker's death does.
  func closeDirectory() { directory.close() }

  /// The next number that the program writes to standard error, in a line of its own.
  func nextNumber() async throws -> Int32 {
    for await line in told.lines {
      if let number = Int32(line) { return number }
    }
    throw CancellationError()
  }

  /// Waits until the program writes this line to standard error.
  func wait(for expected: String) async throws {
    for await line in told.lines where line == expected { return }
    throw CancellationError()
  }
}
