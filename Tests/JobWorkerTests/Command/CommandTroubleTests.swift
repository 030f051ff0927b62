import CProcess
import Foundation
import Jobs
import SystemPackage
import TestSupport
import Testing

@testable import JobWorker

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
    #expect(harness.troubles.all.count == 1)
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

  @Test func aWorkingDirectoryThatIsMissingFailsItsJobForGood() async throws {
    let harness = try ExecutorHarness()
    let outcomes = try await run(["pwd"], in: CommandRuntime(), harness: harness) {
      $0.workingDirectory = "/nonexistent"
    }
    guard case .failed(let error, permanent: true) = outcomes.first else {
      Issue.record("\(outcomes)")
      return
    }
    #expect(error.contains("/nonexistent"))
    #expect(harness.troubles.all.isEmpty)
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
