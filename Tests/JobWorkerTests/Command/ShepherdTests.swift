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
  private let link: ShepherdLink

  init() throws {
    shepherd = try ShepherdLocator().locate()
    scratch = try WorkerRuntimeDirectory()
    link = try ShepherdLink(in: scratch)
  }

  private func pipes(lifeline: FilePath? = nil) -> [String] {
    [
      "--lifeline", (lifeline ?? scratch.lifeline).string, "--orders", link.orders.string,
      "--status", link.status.string,
    ]
  }

  private func order(_ order: String) throws {
    let orders = try FileDescriptor.open(link.orders, .readWrite)
    _ = try orders.closeAfter { try orders.writeAll(order.utf8) }
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
        arguments: Arguments(
          pipes(lifeline: lifeline) + ["--grace-ms", "100000", "--", "sh", "-c", script]),
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
    let (status, error) = try await run(
      pipes(lifeline: lifeline) + ["--grace-ms", "0", "--", "touch", marker.string])
    #expect(status == .exited(125))
    #expect(error.contains("the worker is gone"))
    #expect(!FileManager.default.fileExists(atPath: marker.string))
  }

  @Test(arguments: ["TT", "TK", "K", "signal"])
  func aSecondOrderKillsAtOnce(orders: String) async throws {
    let script = #"trap "echo told" TERM; echo ready; while :; do sleep 0.01; done"#
    let result = try await Subprocess.run(
      .path(shepherd),
      arguments: Arguments(pipes() + ["--grace-ms", "100000", "--", "sh", "-c", script]),
      input: .none, output: .sequence, error: .sequence
    ) { execution in
      // After each line, "ready" and "told", the next order.
      var orders = orders == "signal" ? "" : orders
      for try await line in execution.standardOutput.strings() {
        if !orders.isEmpty {
          try order(String(orders.removeFirst()))
        } else if line == "ready" {
          try execution.send(signal: .userDefinedOne)
        }
      }
      #expect(orders.isEmpty)
    }
    #expect(result.terminationStatus == .signaled(SIGKILL))
    #expect(link.told().end == .signaled(SIGKILL))
    #expect(!link.told().isInterrupted)
  }

  @Test(arguments: [Signal.terminate, .interrupt, .terminalClosed, .quit])
  func aSignalFromOutsideEndsNothingAndIsTold(signal: Signal) async throws {
    let script = #"echo ready; read line < "$1"; exit 7"#
    let gate = scratch.newPath("gate")
    #expect(mkfifo(gate.string, 0o600) == 0)
    let result = try await Subprocess.run(
      .path(shepherd),
      arguments: Arguments(
        pipes() + ["--grace-ms", "1", "--", "sh", "-c", script, "sh", gate.string]),
      input: .none, output: .sequence, error: .sequence
    ) { execution in
      for try await _ in execution.standardOutput.strings() {
        try execution.send(signal: signal)
        let writer = try FileDescriptor.open(gate, .readWrite)
        _ = try writer.writeAll("on\n".utf8)
      }
    }
    #expect(result.terminationStatus == .exited(7))
    var expected = ShepherdStatus()
    expected.hasStarted = true
    expected.isInterrupted = true
    expected.end = .exited(7)
    #expect(link.told() == expected)
  }

  @Test(arguments: [125, 126, 127])
  func anExitCodeOfTheProgramIsNotTheShepherds(code: Int32) async throws {
    let (status, _) = try await run(
      pipes() + ["--grace-ms", "1", "--", "sh", "-c", "exit \(code)"])
    #expect(status == .exited(code))
    let told = link.told()
    #expect(told.end == .exited(code) && told.fault == nil && told.hasStarted)
  }

  @Test(arguments: [
    ("/nonexistent/program", Errno.noSuchFileOrDirectory, Int32(127)),
    ("/etc/passwd", .permissionDenied, 126),
  ])
  func aProgramThatCannotBeRunIsToldWithItsError(
    program: String, number: Errno, code: Int32
  ) async throws {
    let (status, _) = try await run(pipes() + ["--grace-ms", "1", "--", program])
    #expect(status == .exited(code))
    let told = link.told()
    #expect(told.fault == .program(number) && told.end == nil && !told.hasStarted)
  }

  @Test func theCheckStartsAChild() async throws {
    #expect(try await run(["--check"]).0 == .exited(0))
  }

  @Test func whatTheShepherdCannotDoIsTold() {
    let status = ShepherdStatus(
      parsing: "failed worker 11 fork: Resource temporarily unavailable\n")
    #expect(status.fault == .worker("fork: Resource temporarily unavailable"))
    #expect(!status.hasStarted)
  }

  @Test(arguments: [
    ([], "--lifeline is missing"),
    (["--lifeline", "x", "true"], "--orders is missing"),
    (["--lifeline", "x", "--orders", "x", "true"], "--status is missing"),
    (["PIPES", "true"], "--grace-ms is missing"),
    (["PIPES", "--grace-ms", "1"], "no program given"),
    (["PIPES", "--grace-ms", "-1", "true"], "takes milliseconds"),
    (["PIPES", "--grace-ms", "5s", "true"], "takes milliseconds"),
    (["PIPES", "--grace-ms", "99999999999999999999", "true"], "takes milliseconds"),
    (["--nonsense", "true"], "usage:"),
    (
      ["PIPES", "--lifeline", "/nonexistent", "--grace-ms", "1", "true"],
      "/nonexistent: No such file"
    ),
    (["PIPES", "--orders", "/dev/null", "--grace-ms", "1", "true"], "/dev/null: Invalid argument"),
  ])
  func wrongArgumentsAreRefused(arguments: [String], message: String) async throws {
    let (status, error) = try await run(
      arguments.flatMap { $0 == "PIPES" ? pipes() : [$0] })
    #expect(status == .exited(125))
    #expect(error.contains(message), "\(error)")
  }

  @Test func aProgramStartsWithDefaultSignals() async throws {
    let script = #"trap "" INT HUP; exec "$@""#
    let result = try await Subprocess.run(
      .path("/bin/sh"),
      arguments: [
        "-c", script, "sh", shepherd.string, "--lifeline", scratch.lifeline.string, "--orders",
        link.orders.string, "--status", link.status.string, "--grace-ms", "1",
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
