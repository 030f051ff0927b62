import CProcess
import Foundation
import Jobs
import SystemPackage
import TestSupport
import Testing

@testable import JobWorker

/// RLIMIT_NOFILE, which the header has as an enumeration.
private let descriptors = __rlimit_resource_t(7)

/// Whose fault it is when a program does not run to its end by itself: the job's, the worker's, or nobody's.
@Suite(.timeLimit(.minutes(2))) struct CommandTroubleTests {
  /// A directory that is removed at the end.
  private final class Scratch: Sendable {
    let path: FilePath

    init() throws {
      path = FilePath(FileManager.default.temporaryDirectory.path)
        .appending("test-\(UUID().uuidString)")
      try FileManager.default.createDirectory(
        atPath: path.string, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path.string) }

    var contents: [String] {
      get throws { try FileManager.default.contentsOfDirectory(atPath: path.string) }
    }

    /// A shell script, in a shepherd's place. `$status` is the FIFO of its status.
    func shepherd(_ script: String) throws -> ShepherdLocator {
      let file = path.appending("shepherd-\(UUID().uuidString)")
      try Data(
        """
        #!/bin/sh
        while [ "$1" != -- ]; do [ "$1" = --status ] && status=$2; shift; done
        \(script)
        """.utf8
      ).write(to: URL(fileURLWithPath: file.string))
      try FileManager.default.setAttributes(
        [.posixPermissions: 0o700], ofItemAtPath: file.string)
      return ShepherdLocator(environment: ["WARREN_SHEPHERD": file.string])
    }
  }

  private func run(
    _ command: [String], in runtime: CommandRuntime, harness: ExecutorHarness,
    configure: (inout CommandJobType) -> Void = { _ in }
  ) async throws -> [JobOutcome] {
    var type = try CommandJobType(
      group: JobGroup("test", queue: .compute), name: "job", command: command)
    configure(&type)
    _ = await harness.executor.run(
      harness.assignment, type.registered(in: runtime), harness.attempt)
    return harness.authority.outcomes
  }

  @Test func aRuntimeDirectoryThatIsCleanedAwayIsMadeAnew() async throws {
    let scratch = try Scratch()
    let runtime = CommandRuntime(in: scratch.path)
    #expect(
      try await run(["echo", "1"], in: runtime, harness: ExecutorHarness())
        == [.completed(result: "1")])
    for whole in [true, false] {
      let directory = scratch.path.appending(try #require(try scratch.contents.first))
      // Cleaners take files by their age, too.
      let lost = whole ? directory : directory.appending("lifeline")
      try FileManager.default.removeItem(atPath: lost.string)
      let harness = try ExecutorHarness()
      #expect(
        try await run(["echo", "2"], in: runtime, harness: harness) == [.completed(result: "2")])
      #expect(harness.troubles.all.isEmpty)
    }
  }

  @Test(arguments: ["no directory", "no shepherd", "no fork", "silence"])
  func aWorkerThatCannotStartProgramsGivesTheJobBack(cause: String) async throws {
    let scratch = try Scratch()
    let runtime: CommandRuntime
    switch cause {
    case "no directory": runtime = CommandRuntime(in: scratch.path.appending("missing"))
    case "no shepherd":
      let locator = ShepherdLocator(environment: ["WARREN_SHEPHERD": "/nonexistent/shepherd"])
      runtime = CommandRuntime(in: scratch.path, locator: locator)
    case "no fork":
      let script =
        #"echo "failed worker 11 fork: Resource temporarily unavailable" > "$status"; exit 125"#
      runtime = CommandRuntime(in: scratch.path, locator: try scratch.shepherd(script))
    default:
      runtime = CommandRuntime(in: scratch.path, locator: try scratch.shepherd("exit 3"))
    }
    let harness = try ExecutorHarness()
    #expect(try await run(["true"], in: runtime, harness: harness) == [.returned])
    #expect(harness.troubles.all.map(\.scope) == [.worker])
    #expect(harness.job?.status == .waiting)
    #expect(harness.job?.retries == 0)
    if cause == "no directory" || cause == "no shepherd" {
      await #expect(throws: CommandError.self) { try await runtime.probe() }
    }
  }

  @Test func theProbePassesWhereProgramsRun() async throws {
    try await CommandRuntime().probe()
  }

  @Test func aProgramThatIsMissingFailsItsJobForGood() async throws {
    let harness = try ExecutorHarness()
    #expect(
      try await run(["no-such-program"], in: CommandRuntime(), harness: harness) == [
        .failed(
          error: #"cannot run "no-such-program": No such file or directory"#, permanent: true)
      ])
    #expect(harness.troubles.all.isEmpty)
  }

  @Test func aWorkingDirectoryThatCannotBeEnteredIsTheWorkersTrouble() async throws {
    let scratch = try Scratch()
    let path = scratch.path.appending("there")
    let runtime = CommandRuntime()
    try Data().write(to: URL(fileURLWithPath: path.string))
    for reason in ["Not a directory (errno 20)", "No such file or directory (errno 2)"] {
      let harness = try ExecutorHarness()
      #expect(
        try await run(["pwd"], in: runtime, harness: harness) { $0.workingDirectory = path.string }
          == [.returned])
      #expect(harness.job?.status == .waiting)
      let trouble = try #require(harness.troubles.all.first)
      #expect(trouble.scope == .queue)
      #expect(trouble.description == "cannot run in the directory \(path): \(reason)")
      await #expect(throws: CommandError.self) { try await trouble.probe() }
      try? FileManager.default.removeItem(atPath: path.string)
      guard reason.contains("No such") else { continue }
      try FileManager.default.createDirectory(
        atPath: path.string, withIntermediateDirectories: true)
      try await trouble.probe()
    }
  }

  @Test func aProgramThatIsJustBeingWrittenFailsItsJobAndNotTheWorker() async throws {
    let scratch = try Scratch()
    let program = scratch.path.appending("program")
    try FileManager.default.copyItem(atPath: "/bin/true", toPath: program.string)
    let writer = try FileDescriptor.open(program, .writeOnly, options: .closeOnExec)
    defer { try? writer.close() }
    let harness = try ExecutorHarness()
    #expect(
      try await run([program.string], in: CommandRuntime(), harness: harness) == [
        .failed(
          error: #"cannot start "\#(program)": Text file busy (errno 26); tried 3 times, "#
            + "while this worker could start other programs", permanent: false)
      ])
    #expect(harness.troubles.all.isEmpty)
  }

  @Test(.enabled(if: SmallDisk.canMount, "\(SmallDisk.reason)"), arguments: ["params", "snapshot"])
  func whatDoesNotFitFailsItsJobAndHoldsUpNoOther(what: String) async throws {
    try await SmallDisk.with(megabytes: 2) { disk in
      let runtime = CommandRuntime(in: FilePath(disk.folder.path(percentEncoded: false)))
      try runtime.prepare()
      let text = JSONValue.string(String(repeating: "x", count: 10 << 20))
      var large = CommandProcess(command: ["cat"], params: what == "params" ? text : [:])
      if what == "snapshot" { large.snapshot = text }
      async let failing = Result { [large] in try await runtime.run(large) { _ in } }
      for _ in 0..<3 {
        let small = try await runtime.run(
          CommandProcess(command: ["cat"], params: ["n": 1])
        ) { _ in }
        #expect(small.output.text == #"{"n":1}"#)
      }
      let result = await failing
      let error = #expect(throws: CommandFailure.self) { try result.get() }
      let description = try #require(error?.description)
      #expect(description.hasPrefix("cannot write the \(what), 10485763 bytes, to "))
      #expect(description.contains("No space left on device (errno 28); tried 3 times"))
      // All of its room is free again.
      try disk.fill("filler", bytes: 2_000_000)
    }
  }

  @Test(.enabled(if: SmallDisk.canMount, "\(SmallDisk.reason)"))
  func aFullDiskIsTheWorkersTrouble() async throws {
    try await SmallDisk.with(megabytes: 1) { disk in
      let runtime = CommandRuntime(in: FilePath(disk.folder.path(percentEncoded: false)))
      try runtime.prepare()
      try disk.fill("filler")
      let harness = try ExecutorHarness()
      #expect(try await run(["true"], in: runtime, harness: harness) == [.returned])
      let trouble = try #require(harness.troubles.all.first)
      #expect(trouble.scope == .worker)
      #expect(trouble.description.contains("No space left on device (errno 28)"))
      await #expect(throws: CommandError.self) { try await trouble.probe() }
      try disk.remove("filler")
      try await trouble.probe()
      let next = try ExecutorHarness()
      #expect(
        try await run(["echo", "1"], in: runtime, harness: next) == [.completed(result: "1")])
    }
  }

  /// In a process of its own, which has few descriptors left.
  @Test func aWorkerWithoutDescriptorsIsInTroubleUntilThereAreSome() async throws {
    await #expect(processExitsWith: .success) {
      let runtime = CommandRuntime()
      try await runtime.probe()
      // Dispatch cannot do without its timer, which a worker has had for long.
      try await Task.sleep(for: .milliseconds(1))
      let type = try CommandJobType(
        group: JobGroup("test", queue: .compute), name: "job", command: ["true"])
      // The process may have been started with descriptors of any number: what counts is which are free.
      let unused = Array((0...Int32.max).lazy.filter { fcntl($0, F_GETFD) == -1 }.prefix(29))
      var limit = rlimit()
      try #require(getrlimit(descriptors, &limit) == 0)
      let before = limit.rlim_cur
      // Each step of a start is the one that meets it.
      for free in 0..<unused.count {
        limit.rlim_cur = rlim_t(unused[free])
        try #require(setrlimit(descriptors, &limit) == 0)
        let harness = try ExecutorHarness()
        _ = await harness.executor.run(
          harness.assignment, type.registered(in: runtime), harness.attempt)
        let trouble = harness.troubles.all.first
        let probed = await Result { try await trouble?.probe() }
        limit.rlim_cur = before
        try #require(setrlimit(descriptors, &limit) == 0)
        if harness.authority.outcomes == [.completed(result: nil)] {
          #expect(free > 16)
          continue
        }
        #expect(harness.authority.outcomes == [.returned], "with \(free) free")
        #expect(trouble?.scope == .worker)
        #expect(trouble?.description.contains("Too many open files (errno 24)") == true)
        #expect(throws: CommandError.self) { try probed.get() }
        try await trouble?.probe()
      }
    }
  }

  /// Runs a script that first tells the pids of its shepherd and its own, and signals them.
  private func signalled(
    _ script: String, harness: ExecutorHarness,
    _ signal: @escaping @Sendable (_ shepherd: Int32, _ program: Int32) -> Void
  ) async throws -> [JobOutcome] {
    let told = #"echo "{\"progress\": 1, \"details\": \"$PPID $$\"}" >> "$WARREN_REPORT"; "#
    async let outcomes = run(
      ["sh", "-c", told + script], in: CommandRuntime(), harness: harness)
    #expect(await harness.authority.reports.wait { !$0.compactMap(\.progress).isEmpty })
    let details = harness.authority.reports.all.compactMap(\.progress).first?.details
    let pids = try #require(details).split(separator: " ").compactMap { Int32($0) }
    signal(pids[0], pids[1])
    return try await outcomes
  }

  @Test(arguments: [true, false], [SIGTERM, SIGINT, SIGHUP])
  func aSignalToAllProcessesFailsNothing(shepherdFirst: Bool, number: Int32) async throws {
    let harness = try ExecutorHarness()
    let outcomes = try await signalled("exec sleep 1000", harness: harness) { shepherd, program in
      kill(shepherdFirst ? shepherd : program, number)
      kill(shepherdFirst ? program : shepherd, number)
    }
    #expect(outcomes == [.returned])
    #expect(harness.job?.status == .waiting)
    #expect(harness.troubles.all.isEmpty)
  }

  @Test func aProgramThatSavesAndStopsAtASignalToAllIsGivenBack() async throws {
    let harness = try ExecutorHarness()
    let outcomes = try await signalled(
      "trap 'exit 1' TERM; while :; do sleep 0.01; done", harness: harness
    ) { shepherd, program in
      kill(shepherd, SIGTERM)
      kill(program, SIGTERM)
    }
    #expect(outcomes == [.returned])
  }

  @Test func aProgramThatGoesOnAfterASignalToAllCompletes() async throws {
    let harness = try ExecutorHarness()
    let outcomes = try await signalled(
      "trap 'echo done; exit 0' TERM; while :; do sleep 0.01; done", harness: harness
    ) { shepherd, program in
      kill(shepherd, SIGTERM)
      kill(program, SIGTERM)
    }
    #expect(outcomes == [.completed(result: "done")])
  }

  @Test(arguments: [true, false])
  func aProgramThatAloneIsKilledFailsUnlessItsWorkerDrains(drains: Bool) async throws {
    let harness = try ExecutorHarness()
    if drains { harness.lifecycle.advance(to: .draining) }
    let outcomes = try await signalled("exec sleep 1000", harness: harness) { _, program in
      kill(program, SIGTERM)
    }
    #expect(
      outcomes == [
        drains ? .returned : .failed(error: "killed by SIGTERM (15)", permanent: false)
      ])
  }

  @Test func theGraceOfATypeHoldsWhereItIsLongerThanTheWorkers() async throws {
    let harness = try ExecutorHarness(settings: ExecutionSettings(grace: .milliseconds(10)))
    let script = #"""
      trap 'sleep 1; echo saved; exit 0' TERM
      echo '{"progress": 1}' >> "$WARREN_REPORT"
      while :; do sleep 0.01; done
      """#
    async let outcomes = run(["sh", "-c", script], in: CommandRuntime(), harness: harness) {
      $0.grace = .seconds(60)
    }
    #expect(await harness.authority.reports.wait { !$0.isEmpty })
    harness.attempt.order(.timeOut)
    #expect(try await outcomes == [.completed(result: "saved")])
    #expect(harness.condition.stuck.isEmpty)
  }

  @Test func onlyWhatACrashedWorkerHasLeftIsSwept() throws {
    let scratch = try Scratch()
    // Its worker is gone: nobody holds its lock.
    let left = scratch.path.appending("warren-worker-AbCdEf")
    try FileManager.default.createDirectory(
      atPath: left.appending("sub").string, withIntermediateDirectories: true)
    let other = scratch.path.appending("somebody-elses")
    try FileManager.default.createDirectory(
      atPath: other.string, withIntermediateDirectories: true)
    let living = try WorkerRuntimeDirectory(in: scratch.path)
    #expect(!FileManager.default.fileExists(atPath: left.string))
    let second = try WorkerRuntimeDirectory(in: scratch.path)
    #expect(living.isIntact && second.isIntact)
    #expect(FileManager.default.fileExists(atPath: other.string))
    living.close()
    second.close()
    let remaining = try scratch.contents
    #expect(remaining == ["somebody-elses"])
  }

  @Test func whoRunsProgramsCannotBeInspectedByThem() throws {
    try CommandRuntime().prepare()
    #expect(process_denies_inspection() != 0)
  }
}
