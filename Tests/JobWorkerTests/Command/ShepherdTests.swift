import Foundation
import Subprocess
import SystemPackage
import Testing

@testable import JobWorker

/// The executable by itself, with another process in the worker's place.
@Suite(.timeLimit(.minutes(2))) struct ShepherdTests {
  private typealias Started = Execution<NoInput, SequenceOutput, SequenceOutput>
  private let shepherd: FilePath
  private let scratch: WorkerRuntimeDirectory

  init() throws {
    shepherd = try ShepherdLocator().locate()
    scratch = try WorkerRuntimeDirectory()
  }

  /// Runs the shepherd, and returns how it ended and what it said on standard error.
  private func run(_ arguments: [String]) async throws -> (TerminationStatus, String) {
    let result = try await Subprocess.run(
      .path(shepherd), arguments: Arguments(arguments), output: .discarded,
      error: .string(limit: 10_000))
    return (result.terminationStatus, result.standardError)
  }

  @Test func theProgramIsGoneWhenTheWorkerWasKilled() async throws {
    let lifeline = scratch.newPath("other-lifeline")
    #expect(mkfifo(lifeline.string, 0o600) == 0)
    _ = try await Subprocess.run(
      .path("/bin/sh"),
      arguments: ["-c", "exec 3<>\"$1\"; echo; exec sleep 1000", "sh", lifeline.string],
      input: .none, output: .sequence, error: .sequence
    ) { worker in
      for try await _ in worker.standardOutput { break }
      let script = #"setsid sh -c 'echo $$; exec sleep 1000' & trap "" TERM; echo $$; wait"#
      let result = try await Subprocess.run(
        .path(shepherd),
        arguments: [
          "--lifeline", lifeline.string, "--grace-ms", "100000", "--", "sh", "-c", script,
        ],
        input: .none, output: .sequence, error: .sequence
      ) { execution in
        var processes: [Int32] = []
        for try await line in execution.standardOutput.strings() {
          processes.append(try #require(Int32(line)))
          if processes.count == 2 { break }
        }
        #expect(processes.filter(ProcessProbe.isAlive) == processes)
        try worker.send(signal: .kill)
        return processes
      }
      #expect(result.terminationStatus == .signaled(SIGKILL))
      #expect(result.closureResult.filter(ProcessProbe.isAlive) == [])
    }
  }

  @Test func aWorkerThatIsDeadAlreadyStartsNothing() async throws {
    let lifeline = scratch.newPath("nobodys-lifeline")
    #expect(mkfifo(lifeline.string, 0o600) == 0)
    let marker = scratch.newPath("marker")
    let (status, error) = try await run([
      "--lifeline", lifeline.string, "--grace-ms", "0", "--", "touch", marker.string,
    ])
    #expect(status == .exited(125))
    #expect(error.contains("the worker is gone"))
    #expect(!FileManager.default.fileExists(atPath: marker.string))
  }

  @Test(arguments: [[Signal.terminate, .terminate], [.interrupt, .terminate], [.userDefinedOne]])
  func aSecondSignalKillsAtOnce(signals: [Signal]) async throws {
    let script = #"trap "echo told" TERM; echo ready; while :; do sleep 0.01; done"#
    let result = try await Subprocess.run(
      .path(shepherd),
      arguments: [
        "--lifeline", scratch.lifeline.string, "--grace-ms", "100000", "--", "sh", "-c", script,
      ],
      input: .none, output: .sequence, error: .sequence
    ) { execution in
      // After each line, "ready" and "told", the next signal.
      var signals = signals[...]
      for try await _ in execution.standardOutput.strings() {
        if let signal = signals.popFirst() { try execution.send(signal: signal) }
      }
      #expect(signals.isEmpty)
    }
    #expect(result.terminationStatus == .signaled(SIGKILL))
  }

  @Test(arguments: [
    ([], "--lifeline is missing"),
    (["--lifeline", "LIFELINE", "true"], "--grace-ms is missing"),
    (["--lifeline", "LIFELINE", "--grace-ms", "1"], "no program given"),
    (["--lifeline", "LIFELINE", "--grace-ms", "-1", "true"], "takes milliseconds"),
    (["--lifeline", "LIFELINE", "--grace-ms", "5s", "true"], "takes milliseconds"),
    (
      ["--lifeline", "LIFELINE", "--grace-ms", "99999999999999999999", "true"], "takes milliseconds"
    ),
    (["--nonsense", "true"], "usage:"),
    (["--lifeline", "/nonexistent", "--grace-ms", "1", "true"], "/nonexistent: No such file"),
    (["--lifeline", "/dev/null", "--grace-ms", "1", "true"], "no FIFO"),
  ])
  func wrongArgumentsAreRefused(arguments: [String], message: String) async throws {
    let (status, error) = try await run(
      arguments.map { $0 == "LIFELINE" ? scratch.lifeline.string : $0 })
    #expect(status == .exited(125))
    #expect(error.contains(message), "\(error)")
  }

  @Test func aProgramStartsWithDefaultSignals() async throws {
    let script = #"trap "" INT HUP; exec "$@""#
    let result = try await Subprocess.run(
      .path("/bin/sh"),
      arguments: [
        "-c", script, "sh", shepherd.string, "--lifeline", scratch.lifeline.string, "--grace-ms",
        "1",
        "grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status",
      ],
      output: .string(limit: 10_000), error: .discarded)
    let masks = result.standardOutput.split(separator: "\n").compactMap { line in
      line.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) }
    }
    // Bits 31 and 32 are signals of the C library's own, which it lets nobody set.
    #expect(masks.map { $0 & 0x7FFF_FFFF } == [0, 0])
  }
}
