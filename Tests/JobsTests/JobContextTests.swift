import Foundation
import InMemoryLogging
import Logging
import Synchronization
import Testing

@testable import Jobs

@Suite("What a callback can tell of its job")
struct JobContextTests {
  /// What reaches whoever keeps the job.
  private enum Told: Equatable {
    case progress(Double?, String?)
    case snapshot(JSONPayload)
    case policy(RetryPolicy, Duration?)
    case lock(JobID?)
  }

  private final class Listener: Sendable {
    private let told = Mutex<[Told]>([])
    var all: [Told] { told.withLock(\.self) }

    var link: JobLink {
      JobLink(
        progress: { self.add(.progress($0.percent, $0.details)) },
        snapshot: { self.add(.snapshot($0)) },
        policy: { self.add(.policy($0, $1)) },
        lock: { self.add(.lock($0)) })
    }

    private func add(_ one: Told) {
      told.withLock { $0.append(one) }
    }
  }

  private struct Place: Codable, Equatable {
    var line = 0
  }

  private static func assignment(snapshot: JSONPayload? = nil) throws -> JobAssignment {
    JobAssignment(
      job: JobID(), type: try JobTypeID("files:sum"), attempt: 3, snapshot: snapshot)
  }

  private static func context(
    _ link: JobLink = JobLink(), snapshot: JSONPayload? = nil
  ) throws -> JobContext {
    JobContext(
      assignment: try assignment(snapshot: snapshot), logger: Logger(label: "test"), link: link)
  }

  @Test(
    "lines of its logger carry the job, at each level",
    arguments: [Logger.Level.trace, .debug, .info, .warning, .error])
  func logging(level: Logger.Level) throws {
    var lines = InMemoryLogHandler()
    lines.logLevel = .trace
    let logger = Logger(label: "test") { [lines] _ in lines }
    let assignment = try Self.assignment()
    let context = JobContext(assignment: assignment, logger: logger)
    context.logger.log(level: level, "at work", metadata: ["line": "7"])
    #expect(
      lines.entries == [
        InMemoryLogHandler.Entry(
          level: level, message: "at work",
          metadata: [
            "job": "\(assignment.job)", "type": "files:sum", "attempt": "3", "line": "7",
          ])
      ])
  }

  @Test("lines of its logger carry the trace that the job comes from")
  func tracedLogging() throws {
    var lines = InMemoryLogHandler()
    lines.logLevel = .trace
    let logger = Logger(label: "test") { [lines] _ in lines }
    let trace = "0af7651916cd43dd8448eb211c80319c"
    let assignment = JobAssignment(
      job: JobID(), type: .named("files:sum"), attempt: 1,
      context: ["traceparent": "00-\(trace)-b7ad6b7169203331-01"])
    JobContext(assignment: assignment, logger: logger).logger.info("at work")
    #expect(lines.entries.first?.metadata["trace"] == "\(trace)")
  }

  @Test("what is known of the job is at hand")
  func facts() throws {
    let (tenant, user) = (UUID(), UUID())
    let assignment = JobAssignment(
      job: JobID(), type: try JobTypeID("files:sum"), attempt: 3, retries: 2, tenant: tenant,
      user: user, context: ["request-id": "17"], createdAt: Timestamp(milliseconds: 5),
      scheduledAt: .later)
    let context = JobContext(assignment: assignment, logger: Logger(label: "test"))
    #expect(context.jobID == assignment.job)
    #expect(context.type == assignment.type)
    #expect(context.attempt == 3)
    #expect(context.retries == 2)
    #expect(context.tenant == tenant)
    #expect(context.user == user)
    #expect(context.context == ["request-id": "17"])
    #expect(context.createdAt == Timestamp(milliseconds: 5))
    #expect(context.scheduledAt == .later)
  }

  @Test("progress is told from 0 to 100, and what is no number leaves it as it was")
  func progress() throws {
    let listener = Listener()
    let context = try Self.context(listener.link)
    context.progress(12.5, "an eighth")
    context.progress(400)
    context.progress(-1)
    context.progress(.nan, "who knows")
    context.progress(.infinity)
    #expect(
      listener.all == [
        .progress(12.5, "an eighth"), .progress(100, nil), .progress(0, nil),
        .progress(nil, "who knows"), .progress(100, nil),
      ])
  }

  @Test("skipping is an error that says why")
  func skip() throws {
    #expect(try Self.context().skip("nothing new") == JobSkip(reason: "nothing new"))
  }

  @Test("a snapshot is any Codable value, and comes back as what it was")
  func snapshot() async throws {
    let listener = Listener()
    try await Self.context(listener.link).saveSnapshot(Place(line: 7))
    #expect(listener.all == [.snapshot(["line": 7])])
    #expect(try Self.context(snapshot: ["line": 7]).loadSnapshot() == Place(line: 7))
    #expect(try Self.context().loadSnapshot(as: Place.self) == nil)
  }

  @Test("a snapshot that is no JSON, or another one than is asked for, is an error that says so")
  func wrongSnapshots() async throws {
    let listener = Listener()
    let context = try Self.context(listener.link, snapshot: ["page": 1])
    await #expect {
      try await context.saveSnapshot(Double.nan)
    } throws: { error in
      if case SnapshotError.notEncodable = error { true } else { false }
    }
    #expect(listener.all.isEmpty)
    #expect {
      try context.loadSnapshot(as: Place.self)
    } throws: { error in
      if case SnapshotError.notDecodable(let why) = error { why.contains("line") } else { false }
    }
  }

  @Test("retry policies and locks reach the keeper of the job, whose refusals are thrown")
  func keeper() async throws {
    let listener = Listener()
    let context = try Self.context(listener.link)
    let other = JobID()
    let policy = RetryPolicy(maxRetries: 4, delay: .seconds(1), backoff: .linear)
    try await context.setRetryPolicy(policy)
    try await context.setRetryPolicy(.never, timeout: .seconds(5))
    try await context.setLocked(by: other)
    try await context.setUnlocked()
    #expect(
      listener.all == [
        .policy(policy, nil), .policy(.never, .seconds(5)), .lock(other), .lock(nil),
      ])

    let refusing = try Self.context(JobLink(lock: { _ in throw LockError.unknown(other) }))
    await #expect(throws: LockError.unknown(other)) { try await refusing.setLocked(by: other) }
  }
}
