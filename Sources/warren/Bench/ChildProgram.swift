import Foundation
import Subprocess
import Synchronization
import SystemPackage

/// A program that runs beside this one and never outlives it: a small shell watches a pipe whose other end this process
/// holds, and kills the program when the pipe ends without a word, however this process came to end.
///
/// Both are in a process group of their own: a Ctrl-C reaches this process alone, which ends the others in their order.
final class ChildProgram: Sendable {
  private static let leash = """
    exec 3<&0
    { read -r _ <&3 || kill -KILL "$$"; } >/dev/null 2>&1 &
    exec "$@" </dev/null 3<&-
    """

  /// What it is, as in `server`.
  let role: String
  let processID: Int32
  private let signals: AsyncStream<Subprocess.Signal>.Continuation
  private let ending: Task<Void, Never>
  private let isToEnd: Flag

  private final class Flag: Sendable {
    private let value = Atomic<Bool>(false)
    var isSet: Bool { value.load(ordering: .acquiring) }
    func set() { value.store(true, ordering: .releasing) }
  }

  private init(
    role: String, processID: Int32, signals: AsyncStream<Subprocess.Signal>.Continuation,
    ending: Task<Void, Never>, isToEnd: Flag
  ) {
    self.role = role
    self.processID = processID
    self.signals = signals
    self.ending = ending
    self.isToEnd = isToEnd
  }

  /// Starts a program.
  ///
  /// - Parameter onEnd: told why, when it has ended without having been told to.
  static func start(
    _ role: String, _ program: String, _ arguments: [String], environment: [String: String],
    onEnd: @escaping @Sendable (BenchError) -> Void
  ) async throws -> ChildProgram {
    let isToEnd = Flag()
    let (signals, signal) = AsyncStream.makeStream(of: Subprocess.Signal.self)
    let (starts, start) = AsyncStream.makeStream(of: Result<Int32, any Error>.self)
    // In a task of its own, which is not cancelled with whoever starts it: it ends with the program.
    let ending = Task {
      do {
        let (status, log) = try await run(program, arguments, environment, signals) {
          start.yield(.success($0))
        }
        signal.finish()
        if !isToEnd.isSet { onEnd(.ended(role: role, status: status, log: log)) }
      } catch {
        signal.finish()
        start.yield(.failure(error))
        if !isToEnd.isSet { onEnd(.unexpected("the \(role): \(error)")) }
      }
      start.finish()
    }
    for await outcome in starts {
      return ChildProgram(
        role: role, processID: try outcome.get(), signals: signal, ending: ending,
        isToEnd: isToEnd)
    }
    // Cancelled while it started: nobody will stop it but this.
    isToEnd.set()
    signal.yield(.kill)
    await ending.value
    throw CancellationError()
  }

  /// Runs a program to its end.
  ///
  /// - Returns: its exit status, or 128 and the number of the signal that ended it; and the last lines that it wrote.
  private static func run(
    _ program: String, _ arguments: [String], _ environment: [String: String],
    _ signals: AsyncStream<Subprocess.Signal>, started: @Sendable (Int32) -> Void
  ) async throws -> (status: Int32, log: String) {
    var options = PlatformOptions()
    options.processGroupID = 0
    let result = try await Subprocess.run(
      .path("/bin/sh"), arguments: Arguments(["-c", leash, "leash", program] + arguments),
      environment: .custom(
        Dictionary(
          uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0), $1) })),
      platformOptions: options, input: .inputWriter, output: .sequence,
      error: .combinedWithOutput
    ) { execution in
      started(execution.processIdentifier.value)
      async let _: Void = {
        // What is gone needs no signal.
        for await signal in signals { try? execution.send(signal: signal) }
      }()
      var tail = Data()
      for try await buffer in execution.standardOutput {
        tail = (tail + Data(buffer: buffer)).suffix(4_096)
      }
      // The program has ended; the watcher may have been ended by others.
      _ = try? await execution.standardInputWriter.write("\n")
      return String(decoding: tail, as: UTF8.self)
    }
    let status: Int32 =
      switch result.terminationStatus {
      case .exited(let code): code
      case .signaled(let number): 128 + number
      }
    return (status, result.closureResult.split(separator: "\n").suffix(10).joined(separator: "\n"))
  }

  /// Tells it to end, waits for that, and kills it when it takes longer than `patience`.
  func stop(patience: Duration = .seconds(15)) async {
    isToEnd.set()
    signals.yield(.terminate)
    let killing = Task { [signals] in
      try await Task.sleep(for: patience)
      signals.yield(.kill)
    }
    await ending.value
    killing.cancel()
  }
}
