import ArgumentParser
import Foundation
import JobConfig
import Jobs
import Testing

@testable import WarrenCommand

@Suite("The command line")
struct CommandLineTests {
  @Test("of schedule takes all that a job can be told")
  func schedule() throws {
    let key = UUID()
    let command = try #require(
      try Warren.parseAsRoot([
        "schedule", "files:checksum", "--param", "path=-x", "--param", "n=1", "--idempotency-key",
        key.uuidString, "--in", "1m30s", "--timeout", "5s", "--max-retries", "2", "--retry-delay",
        "500ms", "--priority", "9", "--wait", "--wait-timeout", "2h", "-q", "--json", "--server",
        "http://h", "--context", "request-id=17", "--context", "baggage=k=v",
      ]) as? ScheduleCommand)
    #expect(command.jobType.description == "files:checksum")
    #expect(command.assignments == [try ParamAssignment("path=-x"), try ParamAssignment("n=1")])
    #expect(command.idempotencyKey == IdempotencyKey(uuid: key))
    #expect(command.delay == .seconds(90))
    #expect(command.timeout == .seconds(5))
    #expect(command.maxRetries == 2)
    #expect(command.retryDelay == .milliseconds(500))
    #expect(command.priority == 9)
    #expect(command.wait && command.quiet && command.server.json)
    #expect(command.waitTimeout == .seconds(7200))
    #expect(command.server.server == "http://h")
    #expect(command.context.map(\.name) == ["request-id", "baggage"])
    #expect(command.context.map(\.value) == ["17", "k=v"])
  }

  @Test("passes its own trace on, unless it is told another")
  func trace() throws {
    let environment = ["TRACEPARENT": "mine", "BAGGAGE": "mine", "PATH": "/bin"]
    let given = [try ContextAssignment("baggage=k=v"), try ContextAssignment("request-id=")]
    #expect(
      ContextAssignment.context(given, environment)
        == ["traceparent": "mine", "baggage": "k=v", "request-id": ""])
    for wrong in ["", "=x", "name"] {
      #expect(throws: ParamError.self) { try ContextAssignment(wrong) }
    }
  }

  @Test(
    "takes times with their offset",
    arguments: [
      ("2030-01-31T18:30:00Z", 1_896_114_600_000), ("2030-01-31T18:30:00+01:00", 1_896_111_000_000),
      ("2030-01-31T18:30:00.25Z", 1_896_114_600_250),
    ] as [(String, Int64)])
  func moments(text: String, milliseconds: Int64) throws {
    #expect(try ArgumentText.moment(text) == Timestamp(milliseconds: milliseconds))
  }

  @Test(
    "refuses times that could be misread",
    arguments: [
      "", "2030-01-31", "2030-01-31T18:30:00", "18:30", "2030-13-31T18:30:00Z", "1896114600",
    ])
  func noMoments(text: String) {
    #expect(throws: (any Error).self) { try ArgumentText.moment(text) }
  }

  @Test("of list takes statuses, separated by commas")
  func list() throws {
    let command = try #require(
      try Warren.parseAsRoot([
        "list", "--status", "waiting,timeout", "--type", "a:b", "--page", "2", "--order",
        "-updated_at",
      ])
        as? ListCommand)
    #expect(command.order == "-updated_at")
    #expect(command.jobs.status == [.waiting, .timedOut])
    #expect(command.jobs.jobType?.description == "a:b")
    #expect(command.page.page == 2)
  }

  @Test("of list takes a place in the list instead of a page")
  func listAfter() throws {
    let command = try #require(
      try Warren.parseAsRoot(["list", "--after", "42", "--page-size", "7"]) as? ListCommand)
    #expect(command.after == "42")
    #expect(command.page.page == nil)
    #expect(command.page.pageSize == 7)
  }

  @Test("of bulk says which jobs are meant, and what to do")
  func bulk() throws {
    let command = try #require(
      try Warren.parseAsRoot([
        "bulk", "retry", "--status", "failed,timeout", "--type", "a:b", "--queue", "q",
        "--created-after", "2030-01-31T18:30:00Z", "--rate", "2.5", "--reason", "r", "--yes",
        "--wait",
      ]) as? BulkCommand)
    #expect(command.action == .retry)
    #expect(command.jobs.status == [.failed, .timedOut])
    #expect((command.rate, command.reason) == (2.5, "r"))
    #expect(command.createdAfter == Timestamp(milliseconds: 1_896_114_600_000))
    #expect(command.yes && command.wait && !command.dryRun)
    let wrong: [([String], String)] = [
      (["delete", "--all"], "delete takes no --all"), (["cancel"], "which jobs?"),
      (["burn", "--all"], "cancel, retry, delete"),
      (["cancel", "--all", "--type", "a:b"], "--all excludes"),
      (["cancel", "--all", "--dry-run", "--yes"], "exclude each other"),
      (["cancel", "--all", "--wait"], "--yes"),
    ]
    for (arguments, hint) in wrong {
      let error = #expect(throws: (any Error).self) {
        try Warren.parseAsRoot(["bulk"] + arguments)
      }
      #expect(error.map { Warren.fullMessage(for: $0).contains(hint) } == true, "\(arguments)")
    }
  }

  @Test("a job that is not retried is named once")
  func retryRefusal() {
    let id = JobID()
    for (detail, told) in [
      ("job \(id) is completed", "job \(id) is completed"), ("too busy", "job \(id): too busy"),
    ] {
      let problem = Problem(type: "t", title: "t", status: 409, detail: detail)
      #expect(RetryCommand.refusal(of: id, problem) == told)
    }
  }

  @Test("of operations lists them, shows one and cancels one")
  func operations() throws {
    let list = try #require(
      try Warren.parseAsRoot(["operations", "--status", "running"]) as? OperationsCommand.List)
    #expect(list.status == .running)
    let id = UUID()
    let cancel = try Warren.parseAsRoot(["operations", "cancel", id.uuidString])
    #expect((cancel as? OperationsCommand.Cancel)?.operation.id == id)
  }

  @Test("a configuration is checked by those who use it")
  func configurationChecks() throws {
    let checks = ConfigurationChecks.complete
    #expect(checks.broker("amqp://guest:guest@127.0.0.1:5672/").isEmpty)
    #expect(checks.broker("amqp://h:99999/").first?.contains("1 to 65535") == true)
    #expect(checks.command(["a", "{path}", "{o.n}"], ["path": "", "o": ["n": 1]]).isEmpty)
    #expect(checks.command(["a", "{paht}", #"{"a": {}}"#], ["path": ""]).isEmpty)
    #expect(checks.undeclared(["a", "{paht}", "{o.n}"], ["path": ""]) == ["paht", "o.n"])
    #expect(checks.command(["{path}"], ["path": ""]).count == 1)
    #expect(checks.command(["a", "\0"], [:]).count == 1)
  }
}
