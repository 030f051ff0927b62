import Foundation
import Jobs
import Testing

@testable import JobWorker

/// Nothing outlives its job, whichever way that ends.
@Suite(.timeLimit(.minutes(2))) struct CommandProcessEndTests {
  /// Starts a daemon as daemons do: in a session of its own, and an orphan. Its pid goes to
  /// standard error.
  private static let startDaemon = #"""
    fifo=$(mktemp -u) && mkfifo "$fifo"
    (setsid sh -c 'trap "" TERM HUP; echo $$ > "$1"; exec sleep 1000' sh "$fifo" &)
    read daemon < "$fifo"; rm "$fifo"; echo "$daemon" >&2

    """#

  @Test func cancellingEndsTheProgram() async throws {
    let command = try RunningCommand(sh: "echo $$ >&2; exec sleep 1000") {
      $0.grace = .seconds(100)
    }
    let program = try await command.nextNumber()
    #expect(ProcessProbe.isAlive(program))
    let start = ContinuousClock.now
    command.cancel()
    #expect(try await command.outcome().end == .signaled(SIGTERM))
    #expect(ContinuousClock.now - start < .seconds(50), "the grace is not waited out")
    #expect(!ProcessProbe.isAlive(program))
  }

  @Test func cancellingBeforeTheStartRunsNothing() async throws {
    let directory = try WorkerRuntimeDirectory()
    let (never, _) = AsyncStream.makeStream(of: Void.self)
    let task = Task {
      // Ends only because the task is canceled.
      for await _ in never {}
      return try await CommandProcess(command: ["true"], params: [:]).run(in: directory) { _ in }
    }
    task.cancel()
    await #expect(throws: CommandError.canceled) { try await task.value }
  }

  @Test func aProgramMayFinishItsWorkWhenToldToEnd() async throws {
    let command = try RunningCommand(
      sh: #"""
        end() {
          echo "last words" >&2; echo '{"snapshot": 7}' >> "$WARREN_REPORT"; echo out; exit 5
        }
        trap end TERM
        echo ready >&2
        while :; do sleep 0.01; done
        """#)
    try await command.wait(for: "ready")
    command.cancel()
    let outcome = try await command.outcome()
    #expect(outcome.end == .exited(5))
    #expect(outcome.output.text == "out")
    #expect(outcome.errorTail.hasSuffix("last words"))
    #expect(command.events.contains(.report(.snapshot(7))))
  }

  @Test func aProgramThatIgnoresSIGTERMIsKilledAfterTheGracePeriod() async throws {
    let command = try RunningCommand(
      sh: #"trap "" TERM; (echo $$ >&2; while :; do sleep 1; done)"#
    ) { $0.grace = .milliseconds(300) }
    let program = try await command.nextNumber()
    let start = ContinuousClock.now
    command.cancel()
    #expect(try await command.outcome().end == .signaled(SIGKILL))
    #expect(ContinuousClock.now - start >= .milliseconds(300))
    #expect(!ProcessProbe.isAlive(program))
  }

  @Test func aStoppedProgramIsEndedToo() async throws {
    let command = try RunningCommand(sh: "echo $$ >&2; kill -STOP $$; sleep 1000") {
      $0.grace = .seconds(100)
    }
    let program = try await command.nextNumber()
    #expect(try await ProcessProbe.eventually { ProcessProbe.state(of: program) == "T" })
    command.cancel()
    #expect(try await command.outcome().end == .signaled(SIGTERM))
  }

  @Test func theWholeProcessGroupIsTold() async throws {
    let command = try RunningCommand(
      sh: #"sh -c 'echo $$ >&2; exec sleep 1000' & sh -c 'echo $$ >&2; exec sleep 1000' & wait"#)
    let children = [try await command.nextNumber(), try await command.nextNumber()]
    command.cancel()
    #expect(try await command.outcome().end == .signaled(SIGTERM))
    #expect(children.filter(ProcessProbe.isAlive) == [])
  }

  @Test func aDaemonIsGoneWhenTheProgramHasExited() async throws {
    let command = try RunningCommand(sh: Self.startDaemon + Self.startDaemon + "exit 3")
    let daemons = [try await command.nextNumber(), try await command.nextNumber()]
    #expect(try await command.outcome().end == .exited(3))
    #expect(daemons.filter(ProcessProbe.isAlive) == [])
  }

  @Test func aDaemonIsGoneWhenTheProgramWasCanceled() async throws {
    let command = try RunningCommand(sh: Self.startDaemon + "exec sleep 1000")
    let daemon = try await command.nextNumber()
    #expect(ProcessProbe.isAlive(daemon))
    command.cancel()
    #expect(try await command.outcome().end == .signaled(SIGTERM))
    #expect(!ProcessProbe.isAlive(daemon))
  }

  @Test func aDaemonThatHoldsTheOutputOpenHoldsNobodyUp() async throws {
    let command = try RunningCommand(sh: "(setsid sleep 1000 &); echo done")
    #expect(try await command.outcome().output.text == "done")
  }

  @Test func aProgramThatClosesItsOutputsIsStillCanceled() async throws {
    let command = try RunningCommand(sh: "echo $$ >&2; exec >&- 2>&-; exec sleep 1000")
    let program = try await command.nextNumber()
    command.cancel()
    #expect(try await command.outcome().end == .signaled(SIGTERM))
    #expect(!ProcessProbe.isAlive(program))
  }

  @Test func closingTheDirectoryKillsAtOnce() async throws {
    let command = try RunningCommand(
      sh: Self.startDaemon + #"trap "" TERM; (echo $$ >&2; while :; do sleep 1; done)"#
    ) { $0.grace = .seconds(100) }
    let processes = [try await command.nextNumber(), try await command.nextNumber()]
    command.closeDirectory()
    #expect(try await command.outcome().end == .signaled(SIGKILL))
    #expect(processes.filter(ProcessProbe.isAlive) == [])
  }

  @Test func theProgramDiesWithItsShepherd() async throws {
    let command = try RunningCommand(sh: "echo $PPID >&2; echo $$ >&2; exec sleep 1000")
    let shepherd = try await command.nextNumber()
    let program = try await command.nextNumber()
    kill(shepherd, SIGKILL)
    #expect(try await command.outcome().end == .signaled(SIGKILL))
    // The kernel kills it, and whoever it then belongs to reaps it.
    #expect(try await ProcessProbe.eventually { !ProcessProbe.isAlive(program) })
  }

  /// Its shepherd cannot kill what runs on, and neither silence nor a flood of it holds anybody up.
  @Test(arguments: ["sleep 1000", "yes", "yes >&2"])
  func whatGetsAwayAndHoldsTheOutputOpenHoldsNobodyUp(survivor: String) async throws {
    let start = "(setsid sh -c 'echo $$ >&2; exec \(survivor)' &); "
    let command = try RunningCommand(
      sh: start + start + "echo $PPID >&2; echo ready >&2; exec sleep 1000")
    var numbers: [Int32] = []
    while numbers.count < 3 { numbers.append(try await command.nextNumber()) }
    let shepherd = try #require(numbers.first { Self.name(of: $0) == "warren-shepherd" })
    let survivors = numbers.filter { $0 != shepherd }
    defer { for survivor in survivors { kill(survivor, SIGKILL) } }
    kill(shepherd, SIGKILL)
    let outcome = try await command.outcome()
    #expect(outcome.end == .signaled(SIGKILL))
    // Who writes on finds the pipe closed.
    if survivor.hasPrefix("sleep") { #expect(survivors.allSatisfy(ProcessProbe.isAlive)) }
    #expect(
      command.events.contains { event in
        guard case .warning(let text) = event else { return false }
        return text.contains("may run on")
      })
  }

  private static func name(of pid: Int32) -> String? {
    (try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8))?
      .trimmingCharacters(in: .newlines)
  }
}
