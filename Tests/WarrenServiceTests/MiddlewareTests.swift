import InMemoryTracing
import Jobs
import Logging
import MetricsTestKit
import Synchronization
import Testing
import Tracing

@testable import Warren

/// What is done around every job.
@Suite("Middleware")
struct MiddlewareTests {
  struct Note: JobMiddleware {
    let name: String
    let trace: Trace

    func schedule(
      _ submissions: [JobSubmission], next: @Sendable ([JobSubmission]) async throws -> [JobReceipt]
    ) async throws -> [JobReceipt] {
      trace.note("\(name) schedules \(submissions.count)")
      defer { trace.note("\(name) has scheduled") }
      return try await next(submissions)
    }

    func execute(
      _ job: JobContext, of type: JobTypeDescription,
      next: @Sendable (JobContext) async throws -> JSONPayload?
    ) async throws -> JSONPayload? {
      trace.note("\(name) executes \(type.id)")
      defer { trace.note("\(name) has executed") }
      return try await next(job)
    }
  }

  final class Trace: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock(\.self) }
    func note(_ line: String) { lines.withLock { $0.append(line) } }
  }

  private static let description = JobTypeDescription(
    id: .named("a:b"), description: "", timeout: .zero, retry: .never, params: [:],
    schema: .anything, suspendable: false)

  private func context(
    attempt: Int = 1, context: [String: String] = [:], createdAt: Timestamp = .now,
    scheduledAt: Timestamp? = nil, reason: CancelReason? = nil
  ) -> JobContext {
    JobContext(
      assignment: JobAssignment(
        job: JobID(), type: .named("a:b"), attempt: attempt, context: context,
        createdAt: createdAt, scheduledAt: scheduledAt),
      queue: .compute, logger: Logger(label: "test"), link: JobLink(cancelReason: { reason }))
  }

  private func receipts(_ submissions: [JobSubmission]) -> [JobReceipt] {
    submissions.map { _ in JobReceipt(id: JobID()) }
  }

  @Test("the first is outermost, on both sides")
  func order() async throws {
    let trace = Trace()
    let layers: [any JobMiddleware] = [
      Note(name: "1", trace: trace), Note(name: "2", trace: trace),
    ]
    _ = try await layers.schedule([JobSubmission(type: .named("a:b"))]) { submissions in
      trace.note("submit")
      return submissions.map { _ in JobReceipt(id: JobID()) }
    }
    let type = RegisteredJobType(
      group: try JobGroup("a", queue: .compute), description: Self.description
    ) { _, _ in
      trace.note("run")
      return nil
    }.wrapped(in: layers)
    _ = try await type.execute([:], context())
    #expect(
      trace.all == [
        "1 schedules 1", "2 schedules 1", "submit", "2 has scheduled", "1 has scheduled",
        "1 executes a:b", "2 executes a:b", "run", "2 has executed", "1 has executed",
      ])
  }

  struct Failure: Error {}

  @Test("metrics count and time what is scheduled and executed")
  func metrics() async throws {
    let factory = TestMetrics()
    let metrics = MetricsMiddleware(factory: factory)
    let two = [JobSubmission(type: .named("a:b")), JobSubmission(type: .named("a:b"))]
    _ = try await metrics.schedule(two) { receipts($0) }
    await #expect(throws: Failure.self) {
      try await metrics.schedule(two) { _ in throw Failure() }
    }
    let type = [("type", "a:b")]
    #expect(
      try factory.expectCounter(
        "messaging.client.sent.messages", type + [("error.type", "none")]
      ).totalValue == 2)
    #expect(
      try factory.expectCounter(
        "messaging.client.sent.messages", type + [("error.type", "Failure")]
      ).totalValue == 2)
    #expect(try factory.expectRecorder("warren.schedule.batch").values == [2, 2])

    let waited = context(createdAt: .now + .seconds(-5))
    _ = try await metrics.execute(waited, of: Self.description) { _ in nil }
    await #expect(throws: Failure.self) {
      try await metrics.execute(context(), of: Self.description) { _ in throw Failure() }
    }
    await #expect(throws: JobSkip.self) {
      try await metrics.execute(context(), of: Self.description) { _ in throw JobSkip(reason: "") }
    }
    let origin = type + [("queue", "compute")]
    await #expect(throws: Snooze.self) {
      try await metrics.execute(context(), of: Self.description) { _ in
        throw Snooze(.seconds(5))
      }
    }
    let suspended = context(reason: .suspending)
    await #expect(throws: CancellationError.self) {
      try await metrics.execute(suspended, of: Self.description) { _ in throw CancellationError() }
    }
    #expect(
      try factory.expectCounter("messaging.client.consumed.messages", origin).totalValue == 5)
    for outcome in ["completed", "failed", "skipped", "snoozed", "suspended"] {
      let timer = try factory.expectTimer(
        "messaging.process.duration", origin + [("outcome", outcome)])
      #expect(timer.values.count == 1, "\(outcome)")
    }
    let waits = try factory.expectTimer("warren.job.queue_wait", origin)
    #expect(waits.values.count == 5)
    #expect(try #require(waits.values.first) >= 5_000_000_000)
    #expect(try factory.expectMeter("warren.jobs.running", origin).values.last == 0)
  }

  @Test("metrics count what a service does for many jobs at once")
  func serviceMetrics() throws {
    let factory = TestMetrics()
    let layers: [any JobMiddleware] = [
      Note(name: "1", trace: Trace()), MetricsMiddleware(factory: factory),
    ]
    for jobs in [3, 40] { layers.observe(.claimed(jobs: jobs, queue: .compute)) }
    layers.observe(.reported(reports: 7))
    layers.observe(.reconnected(connection: "consuming"))
    let claims = try factory.expectRecorder("warren.claim.batch", [("queue", "compute")])
    #expect(claims.values == [3, 40])
    #expect(try factory.expectRecorder("warren.report.batch").values == [7])
    let reconnects = try factory.expectCounter(
      "warren.reconnects", [("connection", "consuming")])
    #expect(reconnects.totalValue == 1)
  }

  @Test("a job that runs at once goes on in the trace in which it was scheduled")
  func trace() async throws {
    let tracer = InMemoryTracer()
    let tracing = TracingMiddleware(tracer: tracer)
    let sent = Mutex<[String: String]>([:])
    _ = try await tracing.schedule([JobSubmission(type: .named("a:b"))]) { submissions in
      sent.withLock { $0 = submissions[0].context }
      return receipts(submissions)
    }
    let carried = sent.withLock(\.self)
    #expect(!carried.isEmpty)
    _ = try await tracing.execute(
      context(context: carried), of: Self.description
    ) { _ in
      // What the job schedules belongs to it.
      _ = try await tracing.schedule([JobSubmission(type: .named("a:c"))]) { receipts($0) }
      return nil
    }
    let spans = tracer.finishedSpans
    func span(_ name: String) throws -> FinishedInMemorySpan {
      try #require(spans.first { $0.operationName == name }, "\(spans.map(\.operationName))")
    }
    let (schedule, wait, execute, child) = try (
      span("schedule a:b"), span("wait a:b"), span("execute a:b"), span("schedule a:c")
    )
    #expect(Set(spans.map(\.traceID)).count == 1)
    #expect(wait.parentSpanID == schedule.spanID)
    #expect(execute.parentSpanID == schedule.spanID)
    #expect(child.parentSpanID == execute.spanID)
    #expect(schedule.kind == .producer)
    #expect(execute.kind == .consumer)
    #expect(execute.links.isEmpty)
  }

  @Test("a retry, and a job for later, have a trace of their own with a link")
  func links() async throws {
    for (attempt, delay) in [(2, 0), (1, 3600)] {
      let tracer = InMemoryTracer()
      let tracing = TracingMiddleware(tracer: tracer)
      let sent = Mutex<[String: String]>([:])
      _ = try await tracing.schedule([JobSubmission(type: .named("a:b"))]) { submissions in
        sent.withLock { $0 = submissions[0].context }
        return receipts(submissions)
      }
      let now = Timestamp.now
      _ = try await tracing.execute(
        context(
          attempt: attempt, context: sent.withLock(\.self),
          createdAt: now + .seconds(-delay), scheduledAt: now),
        of: Self.description
      ) { _ in nil }
      let spans = tracer.finishedSpans
      let schedule = try #require(spans.first { $0.operationName == "schedule a:b" })
      let execute = try #require(spans.first { $0.operationName == "execute a:b" })
      #expect(execute.traceID != schedule.traceID)
      #expect(execute.parentSpanID == nil)
      #expect(execute.links.count == 1)
    }
  }

  @Test("a job that fails has a span that has failed; one that is skipped has not")
  func failedSpans() async throws {
    let tracer = InMemoryTracer()
    let tracing = TracingMiddleware(tracer: tracer)
    await #expect(throws: Failure.self) {
      try await tracing.execute(context(), of: Self.description) { _ in throw Failure() }
    }
    let failed = try #require(tracer.finishedSpans.last)
    #expect(failed.errors.count == 1)
    await #expect(throws: JobSkip.self) {
      try await tracing.execute(context(), of: Self.description) { _ in
        throw JobSkip(reason: "nothing new")
      }
    }
    await #expect(throws: Snooze.self) {
      try await tracing.execute(context(), of: Self.description) { _ in throw Snooze(.seconds(5)) }
    }
    let others = tracer.finishedSpans.suffix(4).filter { $0.operationName.hasPrefix("execute") }
    #expect(others.count == 2)
    #expect(others.map(\.errors.count) == [0, 0])
  }
}
