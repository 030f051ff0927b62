import FakeAPI
import Foundation
import JobClient
import Jobs
import Logging
import Synchronization
import TestSupport
import Testing

@testable import WarrenCommand

@Suite("What becomes of jobs, on the command line", .timeLimit(.minutes(2)))
struct EventOutputTests {
  private static func event(
    _ sequence: Int64, _ job: JobID, from: JobStatus?, to: JobStatus, reason: String? = nil
  ) throws -> JobEvent {
    JobEvent(
      sequence: sequence, job: job, type: try JobTypeID("files:checksum"), queue: .compute,
      from: from, to: to, at: Timestamp(milliseconds: 1_000_000), attempt: from == nil ? 0 : 1,
      worker: from == nil ? nil : WorkerID(rawValue: "host-1"), reason: reason)
  }

  private static func stream(_ events: [JobEvent], _ rest: String) -> FakeAPI.Answer {
    FakeAPI.Answer(
      200,
      events.map {
        "id: \($0.sequence)\nevent: transition\ndata: \(String(decoding: $0.json, as: UTF8.self))\n\n"
      }.joined() + rest, contentType: "text/event-stream")
  }

  private static let end = "event: end\ndata: {\"status\":\"completed\"}\n\n"
  private static let missed =
    "event: missed\ndata: {\"after\":1,\"to\":2,\"detail\":\"some are gone\"}\n\n"

  @Test("events prints a line for each, with control characters gone; what was missed beside it")
  func events() async throws {
    let id = JobID()
    let events = [
      try Self.event(3, id, from: nil, to: .waiting),
      try Self.event(4, id, from: .running, to: .failed, reason: "a\u{1B}[1mb\nc"),
    ]
    try await FakeAPI({ _ in Self.stream(events, Self.missed + Self.end) }).serve { api in
      let ended = try await WarrenProcess.run(
        ["events", "--after", "2", "--status", "waiting,failed", "--server", api.url])
      #expect(ended.status == 0, "\(ended.error)")
      #expect(
        ended.output == """
          1970-01-01T00:16:40.000Z 3 \(id) files:checksum waiting
          1970-01-01T00:16:40.000Z 4 \(id) files:checksum running -> failed (attempt 1) on host-1: a [1mb c

          """)
      #expect(ended.error == "missed: some are gone\n")
      #expect(api.calls.map(\.target) == ["/events?status=waiting%2Cfailed"])
      #expect(api.calls.map { $0.headers["last-event-id"] } == ["2"])
      let json = try await WarrenProcess.run(["events", "--json", "--server", api.url])
      #expect(
        try json.output.split(separator: "\n").map {
          try JSONDecoder().decode(JobEvent.self, from: Data($0.utf8))
        } == events)
    }
  }

  @Test("events without a server says so, and Ctrl-C ends it")
  func ends() async throws {
    let away = try await WarrenProcess.run(["events", "--server", "http://127.0.0.1:1"])
    #expect(away.status == 3)
    try await FakeAPI({ _ in Self.stream([], "retry: 60000\n\n") }).serve { api in
      let ended = try await WarrenProcess.run(["events", "--server", api.url]) { process in
        let deadline = ContinuousClock.now + .seconds(10)
        while api.calls.isEmpty, ContinuousClock.now < deadline { await Task.yield() }
        kill(process.processIdentifier, SIGINT)
      }
      #expect(ended.status == 130)
    }
  }

  @Test("history goes on until its end")
  func history() async throws {
    let id = JobID()
    let first = try Self.event(3, id, from: nil, to: .waiting)
    let second = try Self.event(5, id, from: .waiting, to: .running)
    try await FakeAPI({ call in
      call.target.hasSuffix("after=3")
        ? try .json(200, JobHistory(events: [second]))
        : try .json(200, JobHistory(events: [first], next: 3))
    }).serve { api in
      let ended = try await WarrenProcess.run(["history", "\(id)", "--server", api.url])
      #expect(
        ended.output == [first, second].map { EventText.line($0) + "\n" }.joined(),
        "\(ended.error)")
      let json = try await WarrenProcess.run(["history", "\(id)", "--json", "--server", api.url])
      #expect(
        try JSONDecoder().decode(JobHistory.self, from: Data(json.output.utf8))
          == JobHistory(events: [first, second]))
    }
  }

  @Test("logs -f shows each line once, to the end of the job")
  func follow() async throws {
    let id = JobID()
    @Sendable func line(_ number: Int64) -> JobLogLine {
      JobLogLine(
        number: number, time: Timestamp(milliseconds: 1_000_000), level: .info, attempt: 1,
        text: "line \(number)")
    }
    let events = [
      try Self.event(3, id, from: .waiting, to: .running),
      try Self.event(4, id, from: .running, to: .completed),
    ]
    let asked = Mutex(Int64(0))
    try await FakeAPI({ call in
      if call.target.hasSuffix("/events") { return Self.stream(events, Self.end) }
      let last = Int64(call.target.split(separator: "=").dropFirst().last ?? "0") ?? 0
      let newest = asked.withLock { count in
        count += 1
        return count
      }
      return try .json(
        200, JobLog(lines: last < newest ? (last + 1...newest).map(line) : [], dropped: 2))
    }).serve { api in
      let ended = try await WarrenProcess.run(["logs", "\(id)", "--follow", "--server", api.url])
      #expect(ended.status == 0, "\(ended.error)")
      let count = asked.withLock(\.self)
      #expect(count >= 3)
      #expect(
        ended.output
          == LogLines.text(JobLog(lines: (1...count).map(line), dropped: 2)))
    }
  }

  @Test("watch, elsewhere than on a terminal, writes lines")
  func watchLines() async throws {
    let id = JobID()
    let event = try Self.event(3, id, from: nil, to: .waiting)
    try await FakeAPI({ call in
      call.target == "/events"
        ? Self.stream([event], Self.end) : try .json(200, QueueList(queues: []))
    }).serve { api in
      let ended = try await WarrenProcess.run(["watch", "--server", api.url])
      #expect(ended.status == 0, "\(ended.error)")
      #expect(ended.output == EventText.line(event) + "\n")
    }
    let queue = QueueStatus(
      name: .compute, capacity: 2, waiting: 3, scheduled: 1, running: 2, workers: 1)
    #expect(
      WatchLines.line(queue) == "queue compute: 3 waiting, 1 scheduled, 2 running, 1 workers")
  }

  @Test("the board fits its terminal, with a bar for each job that runs")
  func board() throws {
    var board = WatchBoard()
    board.queues = [
      QueueStatus(name: .compute, capacity: 2, waiting: 3, scheduled: 0, running: 2, workers: 1)
    ]
    board.running = try (0..<9).map { _ in
      try .fixture(status: .running, progress: 50, details: "half")
    }
    board.runningTotal = 12
    for sequence in Int64(1)...9 {
      board.note(try Self.event(sequence, JobID(), from: nil, to: .waiting))
    }
    let now = Timestamp(milliseconds: 1_002_000)
    let whole = board.lines(width: 200, height: 60, now: now)
    #expect(whole.contains("12 running"))
    #expect(
      whole.filter { $0.contains("[############------------]   50 %  running  half") }.count == 9)
    #expect(whole.contains("and 3 more"))
    #expect(whole.last?.contains(" 9 ") == true)
    #expect(whole.filter { $0.hasSuffix("waiting") }.count == WatchBoard.mostRecent)
    for (width, height) in [(80, 24), (40, 16), (10, 5), (1, 1)] {
      let lines = board.lines(width: width, height: height, now: now)
      #expect(lines.count <= max(1, height - 1))
      #expect(lines.allSatisfy { $0.count <= max(1, width - 1) })
    }
    board.runningTotal = 9
    #expect(!board.lines(width: 200, height: 60, now: now).contains { $0.hasPrefix("and ") })
    #expect(WatchBoard.drawing(["a", "b"], over: 0) == "a\u{1B}[K\nb\u{1B}[K\n\u{1B}[J")
    #expect(WatchBoard.drawing(["a"], over: 2) == "\u{1B}[2A\ra\u{1B}[K\n\u{1B}[J")
  }
}
