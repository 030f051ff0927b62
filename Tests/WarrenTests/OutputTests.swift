import FakeAPI
import Jobs
import Logging
import Testing

@testable import WarrenCommand

@Suite("What people read")
struct OutputTests {
  static let now = Timestamp(milliseconds: 1_010_000)

  @Test("a table has a line for each job")
  func jobs() throws {
    let id = try #require(JobID("00000000-0000-7000-8000-000000000001"))
    let table = Table(
      [
        try .fixture(id: id),
        try .fixture(id: id, status: .running, progress: 42.9, details: "half"),
        try .fixture(id: id, status: .failed, error: "exit 1\nbad \u{1B}[31mfile"),
      ], now: Self.now)
    #expect(
      table.text == """
        id                                   type           status  progress scheduled  took details
        ------------------------------------ -------------- ------- -------- --------- ----- --------------------
        \(id) files:checksum waiting      0 % 10 s ago
        \(id) files:checksum running     42 % 10 s ago    9 s half
        \(id) files:checksum failed       0 % 10 s ago  4.5 s exit 1 bad  [31mfile

        """)
  }

  @Test("a log has a line for each, in which nothing can be hidden")
  func log() {
    let lines = [
      JobLogLine(
        number: 8, time: Timestamp(milliseconds: 1_700_000_000_007), level: .info, attempt: 1,
        text: "a\tb"),
      JobLogLine(
        number: 9, time: Timestamp(milliseconds: 1_700_000_001_000), level: .critical, attempt: 12,
        text: "x\n\u{1B}[31m\u{202E}y"),
    ]
    #expect(
      LogLines.text(JobLog(lines: lines, dropped: 7)) == """
        (7 lines are gone)
        2023-11-14T22:13:20.007Z info     1 a\tb
        2023-11-14T22:13:21.000Z critical 12 x\\u{A}\\u{1B}[31m\\u{202E}y

        """)
    #expect(LogLines.text(JobLog(lines: [], dropped: 0)) == "")
  }

  @Test("an empty table is none, and the list says why")
  func empty() {
    let table = Table([Table.Heading("x")], rows: [])
    #expect(table.text == nil)
    #expect(ListPrinter.text(table, none: "there are none", total: 0) == "there are none\n")
    #expect(
      ListPrinter.text(table, none: "there are none", total: 7)
        == "nothing on this page; there are 7\n")
  }

  @Test("a part of a list says of how many")
  func part() {
    let table = Table([Table.Heading("x")], rows: [["a"], ["b"]])
    #expect(ListPrinter.text(table, none: "", total: 2) == "x\n-\na\nb\n")
    #expect(ListPrinter.text(table, none: "", total: 9) == "x\n-\na\nb\n\n2 of 9\n")
    #expect(
      ListPrinter.text(table, none: "", total: 9, next: "41")
        == "x\n-\na\nb\n\n2 of 9; more with --after 41\n")
  }

  @Test("long cells are cut")
  func cut() throws {
    let table = Table([Table.Heading("x")], rows: [[String(repeating: "a", count: 61)]])
    #expect(table.rows == [[String(repeating: "a", count: 59) + "…"]])
  }

  @Test("types, groups, queues and workers have tables")
  func catalog() throws {
    let type = JobTypeDescription(
      id: try JobTypeID("a:b"), description: "d", timeout: .seconds(90),
      retry: RetryPolicy(maxRetries: 2), params: ["x": 1],
      schema: ParamsSchema(defaults: ["x": 1] as JSONValue), suspendable: true)
    #expect(Table([type]).rows == [["a:b", "d", #"{"x":1}"#, "1m30s", "2", "yes"]])
    #expect(
      Table([try JobGroup("a", queue: .compute, description: "d")]).rows == [["a", "compute", "d"]])
    let queue = QueueStatus(
      name: .compute, capacity: 1, waiting: 2, scheduled: 3, running: 4, workers: 5)
    #expect(Table([queue]).rows == [["compute", "1", "2", "3", "4", "5"]])
    let worker = WorkerStatus(
      id: WorkerID(rawValue: "w"), host: "h", processID: 7,
      startedAt: Timestamp(milliseconds: 1_000_000),
      queues: [JobQueue(name: .compute, capacity: 2)], types: [type.id], running: 1)
    #expect(
      Table([worker], now: Self.now).rows == [
        ["w", "h", "7", "10 s ago", "1", "ok", "compute 2", "a:b"]
      ])
  }

  @Test("what was pruned is told in a sentence, below the table")
  func pruned() {
    func text(_ jobs: Int, _ ids: Int, dryRun: Bool = false) -> String? {
      let counts = [PruneCount(type: nil, status: .failed, count: jobs)]
      let report = PruneReport(Pruned(jobs: counts, tombstones: ids), dryRun: dryRun)
      return PruneCommand.text(report).split(separator: "\n").last.map(String.init)
    }
    #expect(text(0, 0) == "nothing is old enough to be pruned")
    #expect(text(1, 0) == "1 job was pruned")
    #expect(text(1, 0, dryRun: true) == "1 job would be pruned")
    #expect(text(0, 2) == "2 ids of deleted jobs were pruned")
    #expect(text(2, 1) == "2 jobs and 1 id of a deleted job were pruned")
    #expect(
      Table([PruneCount(type: nil, status: .timedOut, count: 7)]).rows
        == [["unreadable", "timeout", "7"]])
  }

  @Test("a job is told with its result as text, last")
  func job() throws {
    let id = try #require(JobID("00000000-0000-7000-8000-000000000001"))
    let job = try Job.fixture(
      id: id, status: .completed, progress: 100, result: "abc  README.md\nx\u{1B}]0;\u{7}\n")
    #expect(
      JobText.text(job, now: Self.now) == """
        id         \(id)
        type       files:checksum
        status     completed
        progress   100 %
        queue      compute
        scheduled  10 s ago
        started    9 s ago
        took       4.5 s
        attempt    1 (0 of 2 retries)
        worker     host-1
        params     {"path":"README.md"}
        result
        abc  README.md
        x ]0;\u{20}

        """)
  }

  @Test("a job's priority is told where it has one of its own")
  func priority() throws {
    #expect(!JobText.text(try .fixture(), now: Self.now).contains("priority"))
    #expect(
      JobText.text(try .fixture(priority: 7), now: Self.now)
        .contains("queue      compute\npriority   7\nscheduled  10 s ago\n"))
  }

  @Test("a result that is no string is JSON")
  func result() throws {
    #expect(JobText.result(try .fixture(result: ["b": 1, "a": [true]])) == #"{"a":[true],"b":1}"#)
    #expect(JobText.result(try .fixture()) == nil)
  }

  @Test("nothing that a job says moves the cursor")
  func terminal() {
    #expect(TerminalText.line("a\u{1B}[2J\r\n\tb\u{9B}1m\u{202E}c\u{2028}d") == "a [2J   b 1m c d")
    #expect(TerminalText.block("a\n\tb\r\u{8}") == "a\n\tb  ")
    #expect(TerminalText.line("abcdef", limit: 4) == "abc…")
  }
}
