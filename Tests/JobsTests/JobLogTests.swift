import Foundation
import InMemoryLogging
import Logging
import Synchronization
import Testing

@testable import Jobs

@Suite("A job's log")
struct JobLogTests {
  private func set(_ first: Int64, _ texts: String...) -> JobLogSet {
    JobLogSet(
      first: first,
      lines: texts.map { .init(time: Timestamp(milliseconds: 1), level: .info, text: $0) })
  }

  @Test("goes on with what is reported, and its numbers have gaps where lines are gone")
  func numbers() {
    var end = JobLogEnd()
    #expect(end.append(set(1, "a", "b"), of: 1).map(\.number) == [1, 2])
    #expect(end.append(set(3, "c"), of: 1).map(\.number) == [3])
    // Three were dropped by the worker.
    #expect(end.append(set(7, "g"), of: 1).map(\.number) == [7])
    // Another attempt counts its lines anew, and has dropped one.
    #expect(end.append(set(2, "a", "b"), of: 2).map(\.number) == [9, 10])
    #expect(end == JobLogEnd(number: 10, attempt: 2, position: 3))
  }

  @Test("is not given a line twice, whatever the broker delivers again")
  func repetition() {
    var end = JobLogEnd()
    _ = end.append(set(1, "a", "b", "c"), of: 1)
    let before = end
    #expect(end.append(set(1, "a", "b", "c"), of: 1).isEmpty)
    #expect(end.append(set(2, "b"), of: 1).isEmpty)
    #expect(end == before)
    let rest = end.append(set(3, "c", "d"), of: 1)
    #expect(rest.map(\.text) == ["d"])
    #expect(rest.map(\.number) == [4])
  }

  private func stored(_ count: Int, bytes: Int = 1) -> [JobLogLine] {
    (1...count).map {
      JobLogLine(
        number: Int64($0), time: .now, level: .info, attempt: 1,
        text: String(repeating: "x", count: bytes))
    }
  }

  @Test("shows the newest lines, and says how many are gone")
  func bounds() {
    #expect(JobLog(of: [], after: 0) == JobLog(lines: [], dropped: 0))
    let all = JobLog(of: stored(500), after: 0)
    #expect(all.lines.count == 500)
    #expect(all.dropped == 0)
    let many = JobLog(of: stored(520), after: 0)
    #expect(many.lines.map(\.number) == Array(21...520))
    #expect(many.dropped == 20)
    let long = JobLog(of: stored(20, bytes: 4096), after: 0)
    #expect(long.lines.map(\.number) == Array(5...20))
    #expect(long.dropped == 4)
    #expect(JobLog(of: stored(520), after: 518).lines.map(\.number) == [519, 520])
    #expect(JobLog(of: stored(520), after: 518).dropped == 20)
    #expect(JobLog(of: stored(5), after: .max).lines.isEmpty)
  }

  @Test("a line is cut at 4 KiB, and never within a character")
  func cut() {
    let whole = String(repeating: "ä", count: 2048)
    #expect(JobLogSet.Line(time: .now, level: .info, text: whole).text == whole)
    let cut = JobLogSet.Line(time: .now, level: .info, text: whole + "ä").text
    #expect(cut.utf8.count <= JobLog.longestLine)
    #expect(cut.hasSuffix("ä…"))
  }

  // MARK: The logger

  private struct Logged {
    let process = InMemoryLogHandler()
    let kept = KeptLines()

    func context(level: Logger.Level = .info) throws -> JobContext {
      var handler = process
      handler.logLevel = level
      return JobContext(
        assignment: JobAssignment(job: JobID(), type: try JobTypeID("a:b"), attempt: 2),
        logger: Logger(label: "test") { [handler] _ in handler },
        link: JobLink(log: { [kept] in kept.add($0) }))
    }
  }

  private final class KeptLines: Sendable {
    private let lines = Mutex<[JobLogSet.Line]>([])
    var all: [JobLogSet.Line] { lines.withLock(\.self) }
    func add(_ line: JobLogSet.Line) { lines.withLock { $0.append(line) } }
  }

  @Test("keeps what a callback logs from info on, with the metadata that it adds, and passes it on")
  func logger() throws {
    let logged = Logged()
    var logger = try logged.context().logger
    logger.debug("unimportant")
    logger.info("begun")
    logger[metadataKey: "page"] = "3"
    logger.error("broken", metadata: ["why": "paper", "b": ["1", "2"]])
    #expect(logged.kept.all.map(\.text) == ["begun", "broken b=[\"1\", \"2\"] page=3 why=paper"])
    #expect(logged.kept.all.map(\.level) == [.info, .error])
    let passedOn = logged.process.entries
    #expect(passedOn.map(\.message.description) == ["begun", "broken"])
    #expect(passedOn.last?.metadata["job"] != nil)
    #expect(passedOn.last?.metadata["page"] == "3")
  }

  @Test("the process's level is for the process's log")
  func levels() throws {
    let quiet = Logged()
    try quiet.context(level: .error).logger.info("kept")
    #expect(quiet.kept.all.map(\.text) == ["kept"])
    #expect(quiet.process.entries.isEmpty)
    let loud = Logged()
    try loud.context(level: .trace).logger.trace("passed on")
    #expect(loud.kept.all.isEmpty)
    #expect(loud.process.entries.count == 1)
  }

  @Test("a level that the callback sets is for both")
  func ownLevel() throws {
    let logged = Logged()
    var logger = try logged.context().logger
    logger.logLevel = .error
    logger.warning("neither")
    logger.logLevel = .debug
    logger.debug("the process's alone")
    logger.info("both")
    #expect(logged.kept.all.map(\.text) == ["both"])
    #expect(logged.process.entries.count == 2)
  }

  @Test("without somebody who keeps it, the logger is the process's")
  func unkept() throws {
    let context = JobContext(
      assignment: JobAssignment(job: JobID(), type: try JobTypeID("a:b"), attempt: 1),
      logger: Logger(label: "test") { _ in InMemoryLogHandler() })
    #expect(context.logger.handler is InMemoryLogHandler)
  }
}
