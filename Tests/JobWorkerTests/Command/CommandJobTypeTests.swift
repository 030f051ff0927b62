import Jobs
import TestSupport
import Testing

@testable import JobWorker

@Suite(.timeLimit(.minutes(3))) struct CommandJobTypeTests {
  private func run(
    _ script: String, params: JSONValue = ["word": "x"], context: [String: String] = [:],
    stallTimeout: Duration = .zero, harness: ExecutorHarness,
    configure: (inout CommandJobType) -> Void = { _ in }
  ) async throws -> [JobOutcome] {
    var type = try CommandJobType(
      group: JobGroup("test", queue: .compute), name: "job", params: params,
      command: ["sh", "-c", script, "sh", "{word}"],
      stallTimeout: stallTimeout)
    type.grace = .milliseconds(500)
    configure(&type)
    let assignment = JobAssignment(
      job: harness.assignment.job, type: harness.assignment.type, attempt: 1, retries: 0,
      params: JSONPayload(params), timeout: .milliseconds(harness.assignment.timeoutMilliseconds),
      context: context)
    _ = await harness.executor.run(
      assignment, type.registered(in: CommandRuntime()), harness.attempt)
    return harness.authority.outcomes
  }

  @Test func theProgramFindsItsJobInArgumentsInputAndEnvironment() async throws {
    let harness = try ExecutorHarness()
    let outcomes = try await run(
      """
      read line
      echo "$1 $line $WARREN_JOB_ID $WARREN_JOB_TYPE $WARREN_ATTEMPT $WARREN_RETRIES $MINE"
      """, harness: harness, configure: { $0.environment = ["MINE": "own", "WARREN_ATTEMPT": "9"] })
    #expect(
      outcomes == [
        .completed(
          result: JSONPayload(
            .string(#"x {"word":"x"} \#(harness.assignment.job) test:job 1 0 own"#)))
      ])
  }

  @Test func theProgramIsPartOfItsJobsTrace() async throws {
    let harness = try ExecutorHarness()
    let outcomes = try await run(
      #"echo "$TRACEPARENT $TRACESTATE ${BAGGAGE-unset} ${REQUEST_ID-unset}""#,
      context: ["traceparent": "00-a-b-01", "tracestate": "x=1", "request-id": "17"],
      harness: harness)
    #expect(outcomes == [.completed(result: "00-a-b-01 x=1 unset unset")])
  }

  @Test func progressAndResultAreReported() async throws {
    let harness = try ExecutorHarness()
    let outcomes = try await run(
      """
      echo '{"progress": 42, "details": "going"}' >> "$WARREN_REPORT"
      echo '{"what-is-not-known": -1}' >> "$WARREN_REPORT"
      echo '{"result": {"n": 1}}' >> "$WARREN_REPORT"
      echo ignored
      """, harness: harness)
    #expect(outcomes == [.completed(result: ["n": 1])])
    #expect(harness.authority.reports.all.compactMap(\.progress).map(\.percent) == [42])
    #expect(harness.job?.progressDetails == "going")
  }

  @Test(arguments: [
    ("exit 3", JobOutcome.failed(error: "exit code 3", permanent: false)),
    ("echo no >&2; exit 100", .failed(error: "exit code 100: no", permanent: true)),
    (#"echo '{"skip": "old"}' >> "$WARREN_REPORT""#, .skipped(reason: "old")),
    ("", .completed(result: nil)),
    (
      #"echo '{"retry_after": 30, "counted": false}' >> "$WARREN_REPORT"; echo no >&2; exit 3"#,
      .retryAfter(error: "exit code 3: no", delay: .seconds(30), counted: false)
    ),
    (
      #"echo '{"snooze": 30, "reason": "early"}' >> "$WARREN_REPORT"; exit 3"#,
      .snoozed(.seconds(30), reason: "early")
    ),
  ])
  func theEndDecides(script: String, outcome: JobOutcome) async throws {
    #expect(try await run(script, harness: ExecutorHarness()) == [outcome])
  }

  @Test func aProgramThatReportsNothingIsStalledAndAnyReportIsASignOfLife() async throws {
    let silent = try ExecutorHarness()
    let stalled = try await run(
      "exec sleep 600", stallTimeout: .milliseconds(200), harness: silent)
    guard case .timedOut(let error) = stalled.first else {
      Issue.record("\(stalled)")
      return
    }
    #expect(error.hasPrefix("stalled: no progress for 0.2 s"))
    let signs = Recorder<Void>()
    let link = JobLink(heartbeat: { signs.add(()) })
    let context = JobContext(
      assignment: silent.assignment, logger: silent.executor.logger, link: link)
    let type = try CommandJobType(
      group: JobGroup("test", queue: .compute), name: "job",
      command: [
        "sh", "-c",
        #"echo '{"heartbeat": true}' >> "$WARREN_REPORT"; echo '{"result": 1}' >> "$WARREN_REPORT""#,
      ])
    _ = try await type.registered(in: CommandRuntime()).execute([:], context)
    #expect(signs.all.count == 2)
  }

  @Test func cancellationEndsTheProgram() async throws {
    let harness = try ExecutorHarness()
    async let outcomes = run(
      #"echo '{"progress": 1}' >> "$WARREN_REPORT"; sleep 600"#, harness: harness)
    #expect(await harness.authority.reports.wait { !$0.isEmpty })
    harness.attempt.order(.cancel)
    #expect(try await outcomes == [.canceled])
  }

  @Test func timeOutEndsTheProgram() async throws {
    let harness = try ExecutorHarness(timeout: .milliseconds(200))
    let outcomes = try await run("trap '' TERM; sleep 600", harness: harness)
    #expect(outcomes.count == 1)
    #expect(harness.job?.status == .timedOut)
  }

  @Test func paramsThatMakeNoCommandFailForGood() async throws {
    let outcomes = try await run("", params: ["word": ["a": 1]], harness: ExecutorHarness())
    guard case .failed(let error, permanent: true) = outcomes.first else {
      Issue.record("\(outcomes)")
      return
    }
    #expect(error.contains("{word}"))
  }

  @Test func aTypeWhoseParamsAreNoObjectIsRefused() throws {
    let group = try JobGroup("test", queue: .compute)
    #expect(throws: CommandJobTypeError.paramsNotObject(.array)) {
      try CommandJobType(group: group, name: "job", params: [], command: ["x"])
    }
  }

  @Test func aCommandNamesParamsThatOnlyTheSchemaHas() async throws {
    let schema = try ParamsSchema([
      "required": ["word"], "properties": ["word": ["type": "string"], "n": ["default": 2]],
    ])
    let type = try CommandJobType(
      group: JobGroup("test", queue: .compute), name: "job", params: schema.defaults,
      schema: schema, command: ["echo", "-n", "{word} {n} {other}"])
    #expect(type.command.undeclared == ["other"])
    #expect(type.description.schema == schema)
    #expect(type.description.params == ["n": 2])
    #expect(
      try type.command.render(try schema.complete(["word": "a"])) == ["echo", "-n", "a 2 {other}"])
  }
}
