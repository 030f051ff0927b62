import Foundation
import Jobs
import Subprocess
import SystemPackage

/// A command job's program, ready to be run under the shepherd.
struct CommandProcess: Sendable {
  typealias EventHandler = @Sendable (CommandEvent) async -> Void

  /// The program, looked up in `PATH` unless it has a slash, and its arguments
  /// (``CommandTemplate/render(_:)``).
  var command: [String]
  /// Written to standard input as one line of JSON.
  var params: JSONValue
  /// What an earlier attempt has saved; in the file that `WARREN_SNAPSHOT` names.
  var snapshot: JSONValue?
  /// Added to the worker's own environment.
  var environment: [String: String] = [:]
  /// The worker's own when nil.
  var workingDirectory: FilePath?
  /// How long the program may take to end after SIGTERM, before SIGKILL; up to a day.
  var grace: Duration = .seconds(5)
  var limits = CommandLimits()

  init(command: [String], params: JSONValue) {
    self.command = command
    self.params = params
  }

  /// Runs the program to its end.
  ///
  /// Cancelling the task sends SIGTERM to the program's process group, and after the grace period
  /// SIGKILL; the call then returns as usual, with what there is. When it returns, nothing that the
  /// program has started is left.
  ///
  /// - Parameters:
  ///   - directory: the worker's.
  ///   - onEvent: told of each line and report, one at a time from standard error and one at a time
  ///     from reports, all before this returns. The program is held up while it is slow.
  /// - Throws: ``CommandError`` when the program could not be run.
  func run(
    in directory: WorkerRuntimeDirectory, onEvent: @escaping EventHandler
  ) async throws(CommandError) -> CommandOutcome {
    guard !Task.isCancelled else { throw .canceled }
    let (cancellations, cancellation) = AsyncStream.makeStream(
      of: Void.self, bufferingPolicy: .bufferingNewest(1))
    // In a task of its own, which is not cancelled: output is read until the program is gone. It is
    // awaited here.
    let running = Task { () async -> Result<CommandOutcome, CommandError> in
      do throws(CommandError) {
        return .success(
          try await supervise(
            in: directory, cancellations: cancellations, cancellation: cancellation,
            onEvent: onEvent))
      } catch {
        return .failure(error)
      }
    }
    return try await withTaskCancellationHandler {
      await running.value
    } onCancel: {
      cancellation.yield()
    }.get()
  }

  private func supervise(
    in directory: WorkerRuntimeDirectory, cancellations: AsyncStream<Void>,
    cancellation: AsyncStream<Void>.Continuation, onEvent: @escaping EventHandler
  ) async throws(CommandError) -> CommandOutcome {
    let reports = try ReportPipe(path: directory.newPath("report"))
    defer { reports.close() }
    let input = try StandardInput(params, at: directory.newPath("params"))
    defer { input.close() }
    let saved = try snapshot.map {
      snapshot throws(CommandError) in
      try SnapshotFile(snapshot, at: directory.newPath("snapshot"))
    }
    defer { saved?.remove() }
    let link = try ShepherdLink(in: directory)
    defer { link.close() }
    let room = try descriptorRoom()
    defer { room.leave() }
    async let finding = ReportReader(limits: limits, onEvent: onEvent).read(reports)
    do {
      let result = try await Subprocess.run(
        .path(directory.shepherd), arguments: Arguments(shepherdArguments(directory, link)),
        environment: fullEnvironment(reports: reports.path, snapshot: saved?.path),
        workingDirectory: workingDirectory,
        platformOptions: platformOptions,
        input: .fileDescriptor(input.descriptor, closeAfterSpawningProcess: false),
        output: .sequence, error: .sequence
      ) { execution in
        room.leave()
        // Both streams end when the shepherd does, which holds them open until then; what is in them is read still.
        let shepherd = execution.processIdentifier
        async let output = readOutput(execution.standardOutput, of: shepherd, onEvent)
        async let tail = readError(execution.standardError, of: shepherd, onEvent)
        async let stopping: Void = {
          for await _ in cancellations { link.terminate() }
        }()
        let captured = try await (output: output, tail: tail)
        cancellation.finish()
        await stopping
        return captured
      }
      reports.finish()
      let (output, tail) = result.closureResult
      let (end, told) = (CommandEnd(result.terminationStatus), link.told())
      if told.hasStarted && (told.end == nil || told.end == .leftBehind) {
        await onEvent(
          .warning(
            "its shepherd ended, with \(end), before all processes of the program: they may run on, "
              + "and what they write from now on is not read"))
      }
      return try outcome(end, told, output, tail, await finding)
    } catch {
      reports.finish()
      _ = await finding
      if let error = error as? CommandError { throw error }
      throw link.told().hasStarted
        ? .lost(program: command.first ?? "", reason: "\(error)") : startError(error)
    }
  }

  /// What came of it, as the shepherd has told.
  ///
  /// - Parameter end: the shepherd's own.
  private func outcome(
    _ end: CommandEnd, _ told: ShepherdStatus, _ output: OutputHead, _ tail: String,
    _ finding: ReportReader.Finding
  ) throws(CommandError) -> CommandOutcome {
    let program = command.first ?? ""
    switch told.fault {
    case .program(let number) where Self.isOfProgram(number):
      throw .cannotRun(program: program, reason: number.description)
    case .program(let number): throw .cannotStart(program: program, reason: number.text)
    case .worker(let reason): throw .cannotStart(program: program, reason: reason)
    case nil: break
    }
    // Nothing has run, for whatever reason; the program is not to blame.
    guard told.hasStarted else {
      throw .cannotStart(
        program: program,
        reason: "its shepherd ended before it started anything, with \(end)"
          + (tail.isEmpty ? "" : ": \(tail)"))
    }
    return CommandOutcome(
      // A shepherd that was killed has told of no end; its program was killed with it.
      end: told.end ?? end, output: output, errorTail: tail, conclusion: finding.conclusion,
      retry: finding.retry, isInterrupted: told.isInterrupted, lostReport: finding.lostReport)
  }

  /// Whether an error of execve(2) lies in the program or its arguments, so that another try would fail as well. The others
  /// may pass: the machine is out of memory or of processes, the file is just being written, or its file system is in trouble.
  private static func isOfProgram(_ number: Errno) -> Bool {
    switch number {
    case .noMemory, .resourceTemporarilyUnavailable, .tooManyOpenFiles,
      .tooManyOpenFilesInSystem, .textFileBusy, .ioError, .noSpace, .staleNFSFileHandle, .timedOut:
      false
    default: true
    }
  }

  private func readOutput(
    _ stream: SubprocessOutputSequence, of shepherd: ProcessIdentifier, _ onEvent: EventHandler
  ) async throws -> OutputHead {
    var head = OutputHead(limit: limits.output)
    var rest = OutputRest()
    for try await buffer in stream {
      head.append(Data(buffer: buffer))
      guard rest.goesOn(after: buffer.count, isOver: shepherd.hasEnded) else {
        await onEvent(.warning(OutputRest.warning("standard output")))
        break
      }
    }
    return head
  }

  private func readError(
    _ stream: SubprocessOutputSequence, of shepherd: ProcessIdentifier, _ onEvent: EventHandler
  ) async throws -> String {
    var rest = OutputRest()
    var tail = ErrorTail(limit: limits.errorTail)
    var splitter = LineSplitter(limit: limits.logLine)
    var logged = 0
    func log(_ line: LineSplitter.Line) async {
      let text = line.logText
      guard logged <= limits.log else { return await onEvent(.keptLog(text)) }
      logged += text.utf8.count + 1
      if logged <= limits.log {
        await onEvent(.log(text))
      } else {
        await onEvent(
          .warning(
            "standard error goes on, and is logged no further: its first \(limits.log) bytes were"))
        await onEvent(.keptLog(text))
      }
    }
    for try await buffer in stream {
      let bytes = Data(buffer: buffer)
      tail.append(bytes)
      for line in splitter.append(bytes) { await log(line) }
      guard rest.goesOn(after: bytes.count, isOver: shepherd.hasEnded) else {
        await onEvent(.warning(OutputRest.warning("standard error")))
        break
      }
    }
    if let line = splitter.finish() { await log(line) }
    return tail.text
  }

  private func shepherdArguments(
    _ directory: WorkerRuntimeDirectory, _ link: ShepherdLink
  ) -> [String] {
    [
      "--lifeline", directory.lifeline.string, "--orders", link.orders.string, "--status",
      link.status.string, "--grace-ms", String(graceMilliseconds), "--",
    ] + command
  }

  private var graceMilliseconds: Int64 {
    let day: Duration = .seconds(24 * 60 * 60)
    let (seconds, attoseconds) = min(max(grace, .zero), day).components
    return seconds * 1000 + attoseconds / 1_000_000_000_000_000
  }

  private var platformOptions: PlatformOptions {
    var options = PlatformOptions()
    // Away from the worker's terminal: its Ctrl-C is for the worker, which then decides about its
    // jobs.
    options.createSession = true
    // Used only if reading fails: the shepherd kills its program and ends, within its own limit of
    // ten seconds.
    options.teardownSequence = [
      .send(signal: .userDefinedOne, allowedDurationToNextStep: .seconds(15))
    ]
    return options
  }

  /// What the program finds in its environment: the worker's, without the worker's own settings,
  /// without the trace that the worker is part of itself, and without URLs of brokers, however the
  /// variable is called, since these have passwords; what was added; the FIFO; and the snapshot, where
  /// there is one.
  func variables(
    inheriting inherited: [String: String], reports: FilePath, snapshot: FilePath? = nil
  ) -> [String: String] {
    var variables = inherited.filter { name, value in
      // A scheme may be written in capitals too.
      let value = value.lowercased()
      return !name.hasPrefix("WARREN_") && !Self.traceVariables.contains(name)
        && !value.contains("amqp://")
        && !value.contains("amqps://")
    }
    variables.merge(environment) { _, given in given }
    variables["WARREN_REPORT"] = reports.string
    variables["WARREN_SNAPSHOT"] = snapshot?.string
    return variables
  }

  private static let traceVariables = CarriedContext.traceHeaders.map { $0.uppercased() }

  private func fullEnvironment(reports: FilePath, snapshot: FilePath?) -> Environment {
    let all = variables(
      inheriting: ProcessInfo.processInfo.environment, reports: reports, snapshot: snapshot)
    return .custom(
      Dictionary(
        all.compactMap { name, value in Environment.Key(rawValue: name).map { ($0, value) } },
        uniquingKeysWith: { _, last in last }))
  }

  private func descriptorRoom() throws(CommandError) -> DescriptorRoom {
    do throws(Errno) {
      return try DescriptorRoom()
    } catch {
      throw .cannotStart(program: command.first ?? "", reason: error.text)
    }
  }

  private func startError(_ error: any Error) -> CommandError {
    let program = command.first ?? ""
    guard let error = error as? SubprocessError else {
      return .cannotStart(program: program, reason: "\(error)")
    }
    let reason = error.underlyingError?.text ?? "\(error)"
    if let workingDirectory, error.code == .failedToChangeWorkingDirectory {
      return .workingDirectory(path: workingDirectory.string, reason: reason)
    }
    // The arguments are the job's; all else about a shepherd's start is the worker's.
    return error.underlyingError == .argListTooLong
      ? .cannotRun(program: program, reason: reason)
      : .cannotStart(program: program, reason: "\(error)")
  }
}

extension ProcessIdentifier {
  /// Whether it is a zombie at least.
  fileprivate var hasEnded: Bool {
    var source = pollfd(fd: processDescriptor, events: Int16(POLLIN), revents: 0)
    return poll(&source, 1, 0) > 0
  }
}

extension CommandEnd {
  fileprivate init(_ status: TerminationStatus) {
    switch status {
    case .exited(let code): self = .exited(code)
    case .signaled(let number): self = .signaled(number)
    }
  }
}

extension LineSplitter.Line {
  /// The line as it stands in a log.
  fileprivate var logText: String {
    let text = LogText.escaped(
      bytes.last == UInt8(ascii: "\r") ? String(self.text.dropLast()) : self.text)
    return isCut ? "\(text) [cut: the first \(bytes.count) of \(length) bytes]" : text
  }
}
