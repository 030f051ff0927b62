import FakeAPI
import Foundation
import JobClient
import Jobs
import Logging
import Synchronization
import TestSupport
import Testing

@testable import WarrenCommand

@Suite("The warren command, run against a server", .timeLimit(.minutes(2)))
struct WarrenProcessTests {
  private static func typeDescription() throws -> JobTypeDescription {
    let params: JSONValue = ["path": "", "levels": 9]
    return JobTypeDescription(
      id: try JobTypeID("files:checksum"), description: "", timeout: .zero, retry: .never,
      params: params, schema: ParamsSchema(defaults: params), suspendable: false)
  }

  /// A server of one job, which runs when it is first waited for, and then is as given.
  private static func server(_ id: JobID, end: Job) throws -> FakeAPI.Respond {
    let waits = Mutex(0)
    let type = try typeDescription()
    let first = try Job.fixture(id: id)
    let running = try Job.fixture(id: id, status: .running, progress: 40, details: "half")
    return { call in
      if call.target.hasPrefix("/job_types/") { return try .json(200, type) }
      if call.method == "POST" { return try .json(202, first) }
      guard call.target.contains("/wait?") else { return try .json(200, end) }
      let count = waits.withLock {
        $0 += 1
        return $0
      }
      return count == 1 ? try .json(202, running) : try .json(200, end)
    }
  }

  @Test("schedule --wait shows the progress, then the job with its result, and exits 0")
  func scheduleAndWait() async throws {
    let id = JobID()
    let end = try Job.fixture(id: id, status: .completed, progress: 100, result: "abc  README.md\n")
    try await FakeAPI(try Self.server(id, end: end)).serve { api in
      let ended = try await WarrenProcess.run(
        ["schedule", "files:checksum", "--param", "path=5", "--param", "levels=5", "--wait"],
        environment: ["WARREN_SERVER": api.url])
      #expect(ended.status == 0, "\(ended.error)")
      #expect(ended.error == "job \(id)\nrunning 40 %: half\ncompleted 100 %\n")
      #expect(ended.output.hasPrefix("id         \(id)\n"))
      #expect(ended.output.hasSuffix("result\nabc  README.md\n"))
      let post = try #require(api.calls.first { $0.method == "POST" })
      #expect(
        try JSONValue(parsing: post.body.utf8).members?["params"] == ["path": "5", "levels": 5])
    }
  }

  @Test("schedule --priority is sent, and list tells how it goes on")
  func priorityAndList() async throws {
    let job = try Job.fixture()
    let list = JobList(
      pageSize: 1, pageNumber: 1, order: "-created_at", total: 2, next: "41", jobs: [job])
    try await FakeAPI({ $0.method == "POST" ? try .json(202, job) : try .json(200, list) }).serve {
      api in
      let scheduled = try await WarrenProcess.run(
        ["schedule", "files:checksum", "--priority", "9", "--server", api.url])
      #expect(scheduled.status == 0, "\(scheduled.error)")
      let body = try #require(api.calls.last?.body)
      #expect(try JSONValue(parsing: body.utf8).members?["priority"] == 9)
      let listed = try await WarrenProcess.run(
        ["list", "--after", "50", "--page-size", "1", "--server", api.url])
      #expect(api.calls.last?.target == "/jobs?after=50&page_size=1")
      #expect(listed.output.hasSuffix("\n1 of 2; more with --after 41\n"), "\(listed.output)")
    }
  }

  @Test("prune --dry-run asks once and says what would go; prune asks until nothing is left")
  func prune() async throws {
    let (first, second) = (try JobTypeID("files:checksum"), try JobTypeID("mail:send"))
    let asked = Mutex(0)
    try await FakeAPI({ call in
      let isDry = call.target.hasSuffix("?dry_run=true")
      let count = asked.withLock { asked in
        if !isDry { asked += 1 }
        return asked
      }
      let pruned = Pruned(
        jobs: [
          PruneCount(type: first, status: .completed, count: 1200),
          PruneCount(type: second, status: .failed, count: 3),
        ], tombstones: 1, hasMore: !isDry && count % 2 == 1)
      return try .json(200, PruneReport(pruned, dryRun: isDry))
    }).serve { api in
      let dry = try await WarrenProcess.run(["prune", "--dry-run", "--server", api.url])
      #expect(dry.status == 0, "\(dry.error)")
      #expect(
        dry.output == """
          type           status    jobs
          -------------- --------- ----
          files:checksum completed 1200
          mail:send      failed       3

          1203 jobs and 1 id of a deleted job would be pruned

          """)
      let real = try await WarrenProcess.run(["prune", "--server", api.url])
      #expect(real.output.hasSuffix("\n2406 jobs and 2 ids of deleted jobs were pruned\n"))
      let json = try await WarrenProcess.run(["prune", "--json", "--server", api.url])
      let members = try #require(try JSONValue(parsing: json.output.utf8).members)
      #expect(members["total"] == 2406)
      #expect(members["has_more"] == false)
      #expect(
        api.calls.map(\.target)
          == ["/prune?dry_run=true", "/prune", "/prune", "/prune", "/prune"])
    }
  }

  @Test("--quiet prints the id alone, or the result alone")
  func quiet() async throws {
    let id = JobID()
    let end = try Job.fixture(id: id, status: .completed, result: "abc")
    try await FakeAPI(try Self.server(id, end: end)).serve { api in
      let scheduled = try await WarrenProcess.run(
        ["schedule", "files:checksum", "-q", "--server", api.url])
      #expect(scheduled.output == "\(id)\n")
      #expect(scheduled.error.isEmpty)
      let waited = try await WarrenProcess.run(["wait", "\(id)", "-q", "--server", api.url])
      #expect(waited.output == "abc\n")
      #expect(waited.error.isEmpty)
      #expect(waited.status == 0)
    }
  }

  @Test("a job that did not complete is 1, and one that goes on after the time to wait 6")
  func notCompleted() async throws {
    let id = JobID()
    try await FakeAPI(
      try Self.server(id, end: try .fixture(id: id, status: .failed, error: "exit 3"))
    ).serve { api in
      let ended = try await WarrenProcess.run(["wait", "\(id)", "--server", api.url])
      #expect(ended.status == 1)
      #expect(ended.output.hasSuffix("error\nexit 3\n"))
    }
    let running = try Job.fixture(id: id, status: .running)
    try await FakeAPI({ _ in try .json(202, running) }).serve { api in
      let ended = try await WarrenProcess.run(
        ["wait", "\(id)", "--timeout", "0s", "--server", api.url])
      #expect(ended.status == 6)
      #expect(ended.error == "Error: the job \(id) is still running; it goes on\n")
    }
  }

  @Test(
    "several jobs are waited for at once: each is told as it ends, and one that fails makes it 1")
  func severalJobs() async throws {
    let done = try Job.fixture(id: JobID(), status: .completed, result: "first")
    let failed = try Job.fixture(id: JobID(), status: .failed, error: "exit 3")
    let last = try Job.fixture(id: JobID(), status: .completed, result: "last")
    // The first job ends only when the others have been asked for.
    let others = Signal()
    let asked = Mutex(0)
    try await FakeAPI({ call in
      if call.target.contains("\(done.id)") {
        #expect(await others.wait(for: .seconds(20)))
        return try .json(200, done)
      }
      if asked.withLock({
        $0 += 1
        return $0 % 2 == 0
      }) {
        others.fire()
      }
      return try .json(200, call.target.contains("\(failed.id)") ? failed : last)
    }).serve { api in
      let ids = [done, failed, last].map { "\($0.id)" }
      let told = try await WarrenProcess.run(["wait"] + ids + ["--server", api.url])
      #expect(told.status == 1)
      #expect(
        Set(told.output.split(separator: "\n")) == [
          "the job \(done.id) is completed", "the job \(failed.id) is failed: exit 3",
          "the job \(last.id) is completed",
        ])
      #expect(api.calls.count == 3)
      let quiet = try await WarrenProcess.run(["wait", "-q"] + ids + ["--server", api.url])
      #expect(quiet.status == 1)
      #expect(quiet.output == "first\nlast\n")
      #expect(quiet.error == "the job \(failed.id) is failed: exit 3\n")
      let json = try await WarrenProcess.run(["wait", "--json"] + ids + ["--server", api.url])
      #expect(
        try JSONValue(parsing: json.output.utf8) == JSONValue(encoding: [done, failed, last]))
    }
  }

  @Test("a job whose answer is lost can be asked for again by the key that is told")
  func lostAnswer() async throws {
    let url = Mutex("")
    try await FakeAPI({ _ in try .json(200, ["a": 1]) }).serve { api in
      url.withLock { $0 = api.url }
    }
    let ended = try await WarrenProcess.run(
      ["schedule", "files:checksum", "--server", url.withLock { $0 }])
    #expect(ended.status == 3)
    #expect(
      ended.error.contains(
        /the same command with --idempotency-key [0-9a-f-]{36} makes no second one\n/))
  }

  @Test("Ctrl-C ends a wait with 130, and asks nothing of the job")
  func interrupted() async throws {
    let running = try Job.fixture(status: .running, progress: 10)
    let waiting = Signal()
    try await FakeAPI({ _ in
      waiting.fire()
      _ = await Signal().wait(for: .seconds(10))
      return try .json(202, running)
    }).serve { api in
      let ended = try await WarrenProcess.run(["wait", "\(running.id)", "--server", api.url]) {
        #expect(await waiting.wait(for: .seconds(20)))
        kill($0.processIdentifier, SIGINT)
      }
      #expect(ended.status == 130)
      #expect(ended.output.isEmpty)
      #expect(api.calls.allSatisfy { $0.method == "GET" })
    }
  }

  @Test("logs prints a job's log, and of one that is not there says so")
  func logs() async throws {
    let line = JobLogLine(
      number: 1, time: Timestamp(milliseconds: 0), level: .info, attempt: 1, text: "begun")
    try await FakeAPI({ _ in try .json(200, JobLog(lines: [line], dropped: 0)) }).serve { api in
      let ended = try await WarrenProcess.run(["logs", "\(JobID())", "--server", api.url])
      #expect(ended.status == 0)
      #expect(ended.output == "1970-01-01T00:00:00.000Z info     1 begun\n")
      let json = try await WarrenProcess.run(
        ["logs", "\(JobID())", "--json", "--server", api.url])
      #expect(json.output.contains("\"text\" : \"begun\""))
    }
  }

  @Test("--json prints the server's JSON")
  func json() async throws {
    let job = try Job.fixture(status: .completed, result: ["a": 1])
    try await FakeAPI({ _ in try .json(200, job) }).serve { api in
      let ended = try await WarrenProcess.run(["get", "\(job.id)", "--json", "--server", api.url])
      #expect(ended.status == 0)
      #expect(try JSONValue(parsing: ended.output.utf8) == JSONValue(encoding: job))
    }
  }

  @Test("a refusal is 4 and told in one line, no server 3, a wrong configuration 5")
  func failures() async throws {
    let problem = Problem(
      type: "/problems/unknown-type", title: "Unknown job type", status: 422,
      detail: "there is no job type 'a:b'; known are files:checksum")
    let url = Mutex("")
    try await FakeAPI({ _ in try .problem(problem) }).serve { api in
      url.withLock { $0 = api.url }
      let ended = try await WarrenProcess.run(["schedule", "a:b", "--server", api.url])
      #expect(ended.status == 4)
      #expect(
        ended.error
          == "Error: Unknown job type: there is no job type 'a:b'; known are files:checksum\n")
    }
    let gone = url.withLock { $0 }
    let unreachable = try await WarrenProcess.run(["queues", "--server", gone])
    #expect(unreachable.status == 3)
    #expect(
      unreachable.error == "Error: the server at \(gone) cannot be reached: Connection refused\n")
    let configuration = try await WarrenProcess.run(
      ["config", "check"], environment: ["WARREN_HTTP_PORT": "x"])
    #expect(configuration.status == 5)
    #expect(
      configuration.error
        == "Error: WARREN_HTTP_PORT: must be an integer from 0 to 65535, not 'x'\n")
  }

  @Test("a misspelt variable is refused, by server and client alike, with what was meant")
  func misspeltVariables() async throws {
    let server = try await WarrenProcess.run(
      ["config", "check"], environment: ["WARREN_HTTP_PROT": "1", "WARREN_JOB_ID": "x"])
    #expect(server.status == 5)
    #expect(
      server.error
        == "Error: WARREN_HTTP_PROT: there is no such setting; did you mean WARREN_HTTP_PORT?\n")
    let client = try await WarrenProcess.run(["queues"], environment: ["WARREN_SEVRER": "http://x"])
    #expect(client.status == 2)
    #expect(
      client.error
        == "Error: WARREN_SEVRER is not a variable of Warren's; did you mean WARREN_SERVER?\n")
  }

  @Test("a port that is in use is 5, and said in words; the broker need not be there")
  func portInUse() async throws {
    try await FakeAPI({ _ in try .json(200, ["a": 1]) }).serve { api in
      let port = try #require(URL(string: api.url)?.port)
      let folder = FileManager.default.temporaryDirectory.appending(path: "warren-\(UUID())")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(at: folder) }
      let ended = try await WarrenProcess.run(
        ["serve"],
        environment: [
          "WARREN_HTTP_PORT": String(port), "WARREN_BROKER": "amqp://127.0.0.1:1/",
          "WARREN_STORE": folder.appending(path: "warren.sqlite").path,
        ])
      #expect(ended.status == 5)
      #expect(
        ended.error.hasSuffix(
          "Error: the API cannot listen on 127.0.0.1:\(port): the port is in use, perhaps by another"
            + " server; choose another http.port (WARREN_HTTP_PORT)\n"), "\(ended.error)")
    }
  }

  @Test("a token is sent to the server, from the environment or a file, and shown nowhere")
  func token() async throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID())")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data("s3cret.two\n".utf8).write(to: file)
    let job = try Job.fixture(status: .completed)
    try await FakeAPI({ _ in try .json(200, job) }).serve { api in
      for (variable, value, sent) in [
        ("WARREN_TOKEN", "s3cret.one", "Bearer s3cret.one"),
        ("WARREN_TOKEN_FILE", file.path, "Bearer s3cret.two"),
      ] {
        let ended = try await WarrenProcess.run(
          ["get", "\(job.id)", "--server", api.url], environment: [variable: value])
        #expect(ended.status == 0, "\(ended.error)")
        #expect(api.calls.last?.headers["authorization"] == sent)
      }
      let none = try await WarrenProcess.run(["get", "\(job.id)", "--server", api.url])
      #expect(none.status == 0)
      #expect(api.calls.last?.headers["authorization"] == nil)
      let broken = try await WarrenProcess.run(
        ["get", "\(job.id)", "--server", api.url], environment: ["WARREN_TOKEN": "s3cret\nx"])
      #expect(broken.status == 2)
      #expect(!broken.error.contains("s3cret"))
    }
  }

  @Test("--version prints it alone and exits 0")
  func version() async throws {
    let ended = try await WarrenProcess.run(["--version"])
    #expect(ended.status == 0)
    #expect(ended.output == "warren \(WarrenVersion.current)\n")
    #expect(ended.output.contains(/^warren [0-9]+\.[0-9]+\.[0-9]+/))
  }

  @Test("a placeholder that looks misspelt is a warning of the check, not an error")
  func misspeltPlaceholder() async throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).yaml")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(
      """
      groups: {files: {queue: compute}}
      types:
        - {name: a, group: files, params: {path: ""}, command: [cat, "{paht}", "{print $1}"]}
      """.utf8
    ).write(to: file)
    let ended = try await WarrenProcess.run(["config", "check", "--config", file.path])
    #expect(ended.status == 0)
    #expect(
      ended.error
        == "warning: \(file.path):3:58: types[0].command: {paht} is no param of this type, so that"
        + " it is left as it is; did you mean {path}?\n")
    #expect(ended.output.hasPrefix("the configuration is fine"))
  }

  @Test("help is printed and exits 0, a wrong command line exits 2")
  func usage() async throws {
    let help = try await WarrenProcess.run(["--help"])
    #expect(help.status == 0)
    #expect(help.output.contains("Exit statuses:"))
    let wrong = try await WarrenProcess.run(["get", "abc"])
    #expect(wrong.status == 2)
    #expect(wrong.error.contains("a job id is a UUID"))
    #expect(wrong.output.isEmpty)
  }
}
