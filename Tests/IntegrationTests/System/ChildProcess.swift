import Foundation
import Synchronization
import Testing

/// A program that runs beside the tests and never outlives them: a small shell watches a pipe whose other end this process
/// holds, and kills the program when the pipe ends, however this process came to end.
final class ChildProcess: Sendable {
  private static let leash = """
    exec 3<&0
    "$@" </dev/null 3<&- &
    program=$!
    echo "$program" >"$PIDFILE.new" && mv "$PIDFILE.new" "$PIDFILE"
    { read -r _ <&3; kill -KILL "$program" 2>/dev/null; } &
    watcher=$!
    wait "$program"
    status=$?
    kill "$watcher" 2>/dev/null
    exit "$status"
    """

  /// What the program writes, to both of its outputs.
  let log: URL
  private let pidFile: URL
  private let process: Mutex<Process>
  private let exits: AsyncStream<Int32>

  init(
    _ program: String, _ arguments: [String], environment: [String: String] = [:], log: URL
  ) throws {
    self.log = log
    pidFile = log.appendingPathExtension("pid")
    try? FileManager.default.removeItem(at: pidFile)
    if !FileManager.default.fileExists(atPath: log.path) {
      try Data().write(to: log)
    }
    let output = try FileHandle(forWritingTo: log)
    try output.seekToEnd()
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sh")
    process.arguments = ["-c", Self.leash, "leash", program] + arguments
    process.environment = ProcessInfo.processInfo.environment
      .filter { !$0.key.hasPrefix("WARREN_") }
      .merging(environment) { $1 }
      .merging(["PIDFILE": pidFile.path]) { $1 }
    process.standardInput = Pipe()
    process.standardOutput = output
    process.standardError = output
    let (exits, continuation) = AsyncStream.makeStream(of: Int32.self)
    self.exits = exits
    process.terminationHandler = { ended in
      continuation.yield(ended.terminationStatus)
      continuation.finish()
    }
    try process.run()
    self.process = Mutex(process)
  }

  deinit {
    // The pipe ends with its handle.
    process.withLock { ($0.standardInput as? Pipe)?.fileHandleForWriting.closeFile() }
  }

  /// The program's own process id.
  func pid() async throws -> pid_t {
    try await eventually("the program has started") {
      FileManager.default.fileExists(atPath: pidFile.path)
    }
    let text = try String(contentsOf: pidFile, encoding: .utf8)
    guard let pid = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
      throw NotInTime(what: "a process id in \(pidFile.path)")
    }
    return pid
  }

  func send(_ signal: Int32) async throws {
    kill(try await pid(), signal)
  }

  /// Waits for the program's end; the exit code, or 128 and the signal's number.
  func exitCode(within limit: Duration = .seconds(60)) async throws -> Int32 {
    try await withThrowingTaskGroup(of: Int32?.self) { group in
      group.addTask { [exits] in
        for await code in exits { return code }
        return nil
      }
      group.addTask {
        try await Task.sleep(for: limit)
        throw NotInTime(what: "the end of a program")
      }
      defer { group.cancelAll() }
      guard let code = try await group.next() ?? nil else {
        throw NotInTime(what: "the exit code, which was read before")
      }
      return code
    }
  }

  /// Kills the program and waits until it is gone. It must have been there: one that had ended by itself is an issue.
  func kill9(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await send(SIGKILL)
    let code = try await exitCode()
    #expect(
      code == 128 + SIGKILL, "it had ended by itself: \(output.suffix(2_000))",
      sourceLocation: sourceLocation)
  }

  /// Whether it has not ended.
  var isRunning: Bool {
    get async throws { kill(try await pid(), 0) == 0 }
  }

  var output: String {
    (try? String(contentsOf: log, encoding: .utf8)) ?? ""
  }
}
