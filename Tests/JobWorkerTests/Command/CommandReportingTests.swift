import Jobs
import TestSupport
import Testing

@testable import JobWorker

/// What a program writes, and what becomes of it: nothing of it is lost in silence.
@Suite(.timeLimit(.minutes(2))) struct CommandReportingTests {
  private func run(
    _ script: String, harness: ExecutorHarness,
    configure: (inout CommandJobType) -> Void = { _ in }
  ) async throws -> [JobOutcome] {
    var type = try CommandJobType(
      group: JobGroup("test", queue: .compute), name: "job",
      command: ["sh", "-c", script])
    configure(&type)
    _ = await harness.executor.run(
      harness.assignment, type.registered(in: CommandRuntime()), harness.attempt)
    return harness.authority.outcomes
  }

  private static func levels(_ count: Int) -> String {
    String(repeating: "[", count: count) + String(repeating: "]", count: count)
  }

  @Test(arguments: [
    ("echo nonsense", "JSON"),
    ("echo '{\"snapshot\": 1'", "JSON"),
    ("echo '{\"result\": \(levels(101))}'", "nested more than"),
    (#"head -c 5000000 /dev/zero | tr '\0' x; echo"#, "has 5000000 bytes"),
    (
      #"printf '{"snapshot": "'; head -c 1048576 /dev/zero | tr '\0' x; echo '"}'"#,
      "snapshot has 1048578 bytes as JSON"
    ),
    (
      #"printf '{"result": "'; head -c 1048576 /dev/zero | tr '\0' x; echo '"}'"#,
      "result has 1048578 bytes as JSON"
    ),
  ])
  func aReportThatIsLostFailsTheJobForGood(line: String, reason: String) async throws {
    let outcomes = try await run(
      "{ \(line); } >> \"$WARREN_REPORT\"; echo output", harness: ExecutorHarness())
    guard case .failed(let error, permanent: true) = outcomes.first else {
      Issue.record("\(outcomes)")
      return
    }
    #expect(error.contains(reason), "\(error)")
  }

  @Test func aReportThatIsLostIsSaidBesideTheProgramsOwnFailure() async throws {
    let outcomes = try await run(
      #"echo nonsense >> "$WARREN_REPORT"; echo disk >&2; exit 3"#, harness: ExecutorHarness())
    guard case .failed(let error, permanent: false) = outcomes.first else {
      Issue.record("\(outcomes)")
      return
    }
    #expect(error.hasPrefix("exit code 3: disk; ") && error.contains("nonsense"))
  }

  @Test func whatIsAllowedFitsToTheLastByte() async throws {
    let harness = try ExecutorHarness()
    // Each the largest there is, in one line.
    let outcomes = try await run(
      #"""
      text() { head -c 1048574 /dev/zero | tr '\0' "$1"; }
      { printf '{"snapshot": "'; text s; printf '", "result": "'; text r; echo '"}'; } >> "$WARREN_REPORT"
      """#, harness: harness)
    let isResult =
      outcomes == [
        .completed(result: JSONPayload(.string(String(repeating: "r", count: 1_048_574))))
      ]
    // Not the values themselves, which nobody could read.
    #expect(isResult)
    let snapshot = JSONPayload(.string(String(repeating: "s", count: 1_048_574)))
    let isKept = harness.authority.reports.all.map(\.content).contains(.snapshot(snapshot))
    #expect(isKept)
  }

  @Test func aHundredLevelsAreAHundredLevels() async throws {
    let outcomes = try await run(
      "echo '{\"result\": \(Self.levels(100))}' >> \"$WARREN_REPORT\"",
      harness: ExecutorHarness())
    #expect(
      outcomes == [.completed(result: JSONPayload(try JSONValue(parsing: Self.levels(100).utf8)))])
  }

  @Test(arguments: ["x", "\\n", "\\001", "\\377"])
  func outputThatIsTooMuchForAResultIsCutAndTheJobCompletes(byte: String) async throws {
    let outcomes = try await run(
      "head -c 2097152 /dev/zero | tr '\\0' '\(byte)'", harness: ExecutorHarness()
    ) { $0.limits = CommandLimits(output: 16 << 20) }
    guard case .completed(let result?) = outcomes.first, case .string(let text) = try result.value()
    else {
      Issue.record("\(outcomes.map { "\($0)".prefix(300) })")
      return
    }
    #expect(text.hasSuffix(" of 2097152 bytes]"))
    let size = JSONValue.string(text).text.utf8.count
    #expect(size <= JobLimits.result && size > JobLimits.result - 200)
  }

  @Test func ofManySnapshotsTheNewestTravels() async throws {
    let harness = try ExecutorHarness()
    let outcomes = try await run(
      #"seq 1 20000 | sed 's/.*/{"snapshot": &}/' >> "$WARREN_REPORT"; exit 3"#, harness: harness)
    #expect(outcomes == [.failed(error: "exit code 3", permanent: false)])
    let sent = harness.authority.reports.all.compactMap { report -> JSONPayload? in
      if case .snapshot(let snapshot) = report.content { snapshot } else { nil }
    }
    #expect(sent.last == 20_000)
    #expect(sent.count < 10_000)
  }

  @Test func aSnapshotThatIsSavedAfterTheProgramWasToldToEndIsKept() async throws {
    let harness = try ExecutorHarness()
    // Long after the order: whatever ends with the attempt's task has ended by then.
    let script = #"""
      trap 'sleep 0.3; echo "{\"snapshot\": \"saved\"}" >> "$WARREN_REPORT"; exit 143' TERM
      echo '{"progress": 1}' >> "$WARREN_REPORT"
      while :; do sleep 0.01; done
      """#
    async let outcomes = run(script, harness: harness)
    #expect(await harness.authority.reports.wait { !$0.isEmpty })
    harness.attempt.order(.suspend)
    #expect(try await outcomes == [.canceled])
    let isKept = harness.authority.reports.all.map(\.content).contains(.snapshot("saved"))
    #expect(isKept)
  }

  @Test func standardErrorIsEscapedAndBoundedInTheLog() async throws {
    let command = try RunningCommand(
      sh: #"printf 'a\033]0;title\007b\ttab\nc\r\n\302\233x\n' >&2; yes y | head -c 4000 >&2"#
    ) { $0.limits.log = 1000 }
    let outcome = try await command.outcome()
    #expect(outcome.end == .exited(0))
    let lines = command.events.compactMap { event -> String? in
      if case .log(let line) = event { line } else { nil }
    }
    #expect(lines.prefix(3) == [#"a\u{1B}]0;title\u{7}b"# + "\ttab", "c", #"\u{9B}x"#])
    #expect(lines.joined(separator: "\n").utf8.count <= 1000)
    // The rest is for the job's own log.
    let kept = command.events.count { if case .keptLog = $0 { true } else { false } }
    #expect(kept == 2000 - (lines.count - 3))
    let warnings = command.events.filter { if case .warning = $0 { true } else { false } }
    #expect(warnings.count == 1)
    // The end is kept all the same.
    #expect(outcome.errorTail.hasSuffix("y\ny"))
  }
}
