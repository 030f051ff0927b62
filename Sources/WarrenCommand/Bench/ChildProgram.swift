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

/// What a process takes of the machine, as the kernel tells it.
struct ProcessUsage: Sendable, Hashable {
  /// Resident memory, in bytes.
  let resident: Int
  /// Of user and system, in seconds, since it started.
  let processorTime: Double

  init(resident: Int, processorTime: Double) {
    self.resident = resident
    self.processorTime = processorTime
  }

  /// `nil` when there is no such process.
  init?(of processID: Int32) {
    guard let status = try? String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8),
      let stat = try? String(contentsOfFile: "/proc/\(processID)/stat", encoding: .utf8)
    else { return nil }
    self.init(status: status, stat: stat, ticks: sysconf(Int32(_SC_CLK_TCK)))
  }

  /// Reads `/proc/…/status` and `/proc/…/stat` (proc(5)).
  init?(status: String, stat: String, ticks: Int) {
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }),
      let kilobytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({
        Int($0)
      }),
      // The name, in parentheses, may hold anything.
      let name = stat.lastIndex(of: ")")
    else { return nil }
    let fields = stat[stat.index(after: name)...].split(separator: " ")
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
      return nil
    }
    resident = kilobytes * 1024
    processorTime = (user + system) / Double(max(1, ticks))
  }
}

/// Looks once a second at what some processes take.
final class UsageWatch: Sendable {
  /// What one process took while it was looked at.
  struct Usage: Sendable, Hashable {
    var first: ProcessUsage
    var last: ProcessUsage
    var mostResident: Int

    init(_ usage: ProcessUsage) {
      first = usage
      last = usage
      mostResident = usage.resident
    }

    mutating func add(_ usage: ProcessUsage) {
      last = usage
      mostResident = max(mostResident, usage.resident)
    }
  }

  static let interval = Duration.seconds(1)
  private let programs: @Sendable () -> [ChildProgram]
  private let usages = Mutex<[(processID: Int32, role: String, usage: Usage)]>([])

  /// - Parameter programs: those that are to be looked at; there may be more of them later.
  init(_ programs: @escaping @Sendable () -> [ChildProgram]) {
    self.programs = programs
  }

  /// Runs `body` and looks meanwhile.
  static func during<Value: Sendable>(
    _ programs: @escaping @Sendable () -> [ChildProgram],
    _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> (value: Value, usages: [(role: String, usage: Usage)]) {
    let watch = UsageWatch(programs)
    watch.look(isFirst: true)
    let value = try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        while !Task.isCancelled {
          try? await Task.sleep(for: interval)
          watch.look()
        }
        return nil
      }
      defer { group.cancelAll() }
      while let next = try await group.next() {
        if let value = next { return value }
      }
      throw CancellationError()
    }
    watch.look()
    return (value, watch.usages.withLock { $0.map { ($0.role, $0.usage) } })
  }

  /// A process that was not there at the first look has started since.
  private func look(isFirst: Bool = false) {
    for program in programs() {
      guard let usage = ProcessUsage(of: program.processID) else { continue }
      usages.withLock { usages in
        if let index = usages.firstIndex(where: { $0.processID == program.processID }) {
          usages[index].usage.add(usage)
        } else {
          var new = Usage(usage)
          if !isFirst { new.first = ProcessUsage(resident: usage.resident, processorTime: 0) }
          usages.append((program.processID, program.role, new))
        }
      }
    }
  }
}
