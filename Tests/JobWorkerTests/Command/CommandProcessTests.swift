import Foundation
import Jobs
import SystemPackage
import Testing

@testable import JobWorker

@Suite(.timeLimit(.minutes(2))) struct CommandProcessTests {
  private func run(
    _ script: String, _ arguments: [String] = [], params: JSONValue = [:],
    configure: (inout CommandProcess) -> Void = { _ in }
  ) async throws -> (outcome: CommandOutcome, events: [CommandEvent]) {
    let command = try RunningCommand(
      ["sh", "-c", script, "sh"] + arguments, params: params, configure: configure)
    return (try await command.outcome(), command.events)
  }

  @Test func argumentsArriveAsTheyAre() async throws {
    let arguments = ["a b", "it's", "\"q\"", "$(id)", "`id`", "*", "", "-n", "é\nü", "\\n", ";"]
    let (outcome, _) = try await run(#"for a; do printf '<%s>' "$a"; done"#, arguments)
    #expect(outcome.output.text == arguments.map { "<\($0)>" }.joined())
    #expect(outcome.end == .exited(0))
  }

  @Test func paramsArriveOnStandardInput() async throws {
    let params: JSONValue = ["path": "a/b", "n": 7, "text": "é\n"]
    let (outcome, _) = try await run("cat", params: params)
    #expect(try JSONValue(parsing: outcome.output.bytes) == params)
    #expect(outcome.output.bytes.last == UInt8(ascii: "\n"))
  }

  @Test(arguments: ["exec 0<&-; echo done", "head -c 5 >&2; echo done", "echo done"])
  func largeParamsThatNobodyReadsHoldNobodyUp(script: String) async throws {
    let params: JSONValue = ["text": .string(String(repeating: "x", count: 1 << 20))]
    #expect(try await run(script, params: params).outcome.output.text == "done")
  }

  @Test func largeParamsAreReadWhole() async throws {
    let params: JSONValue = ["text": .string(String(repeating: "x", count: 1 << 20))]
    #expect(try await run("wc -c", params: params).outcome.output.text == "1048588")
  }

  @Test func theEnvironmentIsTheWorkersAndWhatWasAdded() async throws {
    let (outcome, _) = try await run(#"echo "$PATH|$WARREN_JOB_ID|$EXTRA|${WARREN_REPORT:+set}""#) {
      $0.environment = ["WARREN_JOB_ID": "j-1", "EXTRA": "a b=c"]
    }
    let path = try #require(ProcessInfo.processInfo.environment["PATH"])
    #expect(outcome.output.text == "\(path)|j-1|a b=c|set")
  }

  @Test func theWorkersOwnSettingsAreNotPassedOn() {
    var process = CommandProcess(command: ["true"], params: [:])
    process.environment = ["WARREN_JOB_ID": "j-1", "HOME": "/elsewhere"]
    let variables = process.variables(
      inheriting: [
        "WARREN_BROKER": "amqp://u:secret@h", "HOME": "/root", "LANG": "C",
        "TRACEPARENT": "the worker's", "TRACESTATE": "the worker's", "BAGGAGE": "the worker's",
      ],
      reports: "/run/report")
    #expect(
      variables == [
        "WARREN_JOB_ID": "j-1", "WARREN_REPORT": "/run/report", "HOME": "/elsewhere", "LANG": "C",
      ])
  }

  @Test func urlsOfBrokersAreNotPassedOnUnlessTheyAreGiven() {
    var process = CommandProcess(command: ["true"], params: [:])
    process.environment = ["GIVEN": "amqp://u:other@h"]
    let variables = process.variables(
      inheriting: [
        "BROKER": "amqp://u:secret@h", "TLS": "amqps://u:secret@h", "LARGE": "AMQP://u:secret@h",
        "URLS": "http://h, Amqps://u:secret@h", "DOCS": "http://h/amqp",
      ], reports: "/run/report")
    #expect(
      variables == [
        "WARREN_REPORT": "/run/report", "GIVEN": "amqp://u:other@h", "DOCS": "http://h/amqp",
      ])
  }

  @Test func theWorkingDirectoryIsTaken() async throws {
    #expect(try await run("pwd") { $0.workingDirectory = "/usr" }.outcome.output.text == "/usr")
    let error = await #expect(throws: CommandError.self) {
      try await run("pwd") { $0.workingDirectory = "/nonexistent" }
    }
    #expect(error?.description.contains("/nonexistent") == true)
  }

  @Test func outputOverItsLimitIsDroppedAndCounted() async throws {
    let (outcome, _) = try await run(#"head -c 10000000 /dev/zero | tr '\0' x; echo end >&2"#)
    #expect(outcome.output.total == 10_000_000)
    #expect(outcome.output.bytes == Array(repeating: UInt8(ascii: "x"), count: 65_536))
    #expect(outcome.errorTail == "end")
  }

  @Test func standardErrorIsLoggedLineByLineAndItsTailKept() async throws {
    let (outcome, events) = try await run(
      #"printf 'one\r\n\ntwo\nthr' >&2; printf 'ee\377' >&2"#)
    #expect(events == ["one", "", "two", "three\u{FFFD}"].map { .log($0) })
    #expect(outcome.errorTail == "one\r\n\ntwo\nthree\u{FFFD}")

    let (long, lines) = try await run("seq 1 100000 >&2")
    #expect(lines == (1...100_000).map { .log(String($0)) })
    #expect(long.errorTail.hasSuffix("\n99999\n100000"))
    #expect(long.errorTail.utf8.count <= 4096 + "…".utf8.count)
  }

  @Test func aLineWithoutEndIsCut() async throws {
    let (_, events) = try await run(#"head -c 100000 /dev/zero | tr '\0' y >&2"#)
    let beginning = String(repeating: "y", count: 8192)
    #expect(events == [.log("\(beginning) [cut: the first 8192 of 100000 bytes]")])
  }

  @Test func reportsArriveInOrderFromAnyNumberOfWriters() async throws {
    let (outcome, events) = try await run(
      #"""
      for i in 1 2 3; do
        echo "{\"progress\": $i, \"details\": \"step $i\"}" >> "$WARREN_REPORT"
      done
      (echo '{"snapshot": {"page": 3}}' > "$WARREN_REPORT")
      sh -c 'printf "\n%s\n%s" "{\"result\": 1}" "{\"result\": {\"sum\": 7}}" >> "$WARREN_REPORT"'
      echo output
      """#)
    #expect(
      events == [
        .report(.progress(JobProgress(1, "step 1"))),
        .report(.progress(JobProgress(2, "step 2"))),
        .report(.progress(JobProgress(3, "step 3"))),
        .report(.snapshot(["page": 3])), .report(.result(1)), .report(.result(["sum": 7])),
      ])
    #expect(outcome.conclusion == .result(["sum": 7]))
    #expect(CommandVerdict(outcome) == .completed(["sum": 7]))
  }

  @Test func theLastOfResultAndSkipCounts() async throws {
    let (outcome, _) = try await run(
      #"echo '{"result": 1}' >> "$WARREN_REPORT"; echo '{"skip": "old"}' >> "$WARREN_REPORT""#)
    #expect(CommandVerdict(outcome) == .skipped("old"))
  }

  @Test func badReportsFailTheJobAndSayWhy() async throws {
    let (outcome, events) = try await run(
      #"""
      echo nonsense >> "$WARREN_REPORT"
      echo '{"result": "good"}' >> "$WARREN_REPORT"
      head -c 3000 /dev/zero | tr '\0' x >> "$WARREN_REPORT"; echo >> "$WARREN_REPORT"
      printf '\377\376\n' >> "$WARREN_REPORT"
      """#
    ) { $0.limits.reportLine = 2000 }
    #expect(outcome.conclusion == .result("good"))
    guard case .failed(let message, permanent: true) = CommandVerdict(outcome) else {
      Issue.record("\(outcome)")
      return
    }
    #expect(message.contains("nonsense") && message.hasSuffix("(and 2 more lines that are lost)"))
    let warnings = events.compactMap { event -> String? in
      if case .warning(let text) = event { text } else { nil }
    }
    #expect(warnings.count == 3)
    #expect(warnings[0].contains("JSON") && warnings[0].hasSuffix("nonsense"))
    #expect(warnings[1].contains("3000 bytes, and 2000 are allowed"))
  }

  @Test func aFloodOfReportsWithASlowReaderLosesNothing() async throws {
    let script = #"""
      seq 1 20000 | sed 's/.*/{"snapshot": &}/' >> "$WARREN_REPORT"
      echo '{"result": "last"}' >> "$WARREN_REPORT"
      """#
    let (outcome, events) = try await run(script)
    #expect(events.count == 20_001)
    #expect(
      events.prefix(20_000).elementsEqual((1...20_000).map { .report(.snapshot(.integer($0))) }))
    #expect(outcome.conclusion == .result("last"))
  }

  @Test func exitCodesAndSignalsAreToldApart() async throws {
    #expect(try await run("exit 3").outcome.end == .exited(3))
    #expect(try await run("exit 100").outcome.end == .exited(100))
    #expect(try await run("exit 137").outcome.end == .exited(137))
    #expect(try await run("kill -KILL $$").outcome.end == .signaled(9))
    #expect(try await run("kill -TERM $$").outcome.end == .signaled(15))
    #expect(try await run("ulimit -c 0; kill -SEGV $$").outcome.end == .signaled(11))
  }

  @Test(arguments: [
    (["no-such-program", "x"], "No such file or directory"), (["/dev/null"], "Permission denied"),
    (["sh", String(repeating: "x", count: 4 << 20)], "Argument list too long (errno 7)"),
  ])
  func aProgramThatCannotBeRunIsNamed(command: [String], reason: String) async throws {
    await #expect(throws: CommandError.cannotRun(program: command[0], reason: reason)) {
      try await RunningCommand(command).outcome()
    }
  }

  @Test(arguments: [125, 126, 127])
  func theShepherdsExitCodesMayBeTheProgramsToo(code: Int32) async throws {
    #expect(try await run("exit \(code)").outcome.end == .exited(code))
  }

  @Test func theProgramInheritsNothingButItsThreeStreams() async throws {
    // ls opens the directory that it lists.
    #expect(
      try await RunningCommand(["ls", "/proc/self/fd"]).outcome().output.text == "0\n1\n2\n3")
  }

  @Test func manyRunAtTheSameTimeWithoutMixing() async throws {
    let directory = try WorkerRuntimeDirectory()
    try await withThrowingTaskGroup { group in
      for number in 0..<50 {
        group.addTask {
          let script = #"cat >&2; echo "{\"result\": $1}" >> "$WARREN_REPORT"; echo "out $1""#
          let process = CommandProcess(
            command: ["sh", "-c", script, "sh", String(number)],
            params: ["number": .integer(Int64(number))])
          return (number, try await process.run(in: directory) { _ in })
        }
      }
      for try await (number, outcome) in group {
        #expect(outcome.conclusion == .result(.integer(Int64(number))))
        #expect(outcome.output.text == "out \(number)")
        #expect(outcome.errorTail == #"{"number":\#(number)}"#)
      }
    }
    let left = try FileManager.default.contentsOfDirectory(atPath: directory.path.string)
    #expect(left == ["lifeline"])
  }
}
