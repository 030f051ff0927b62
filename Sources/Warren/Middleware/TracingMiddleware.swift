public import Jobs
public import Tracing

extension JobMiddleware where Self == TracingMiddleware {
  /// Spans around scheduling and execution, with the process's tracer.
  public static var tracing: TracingMiddleware { TracingMiddleware() }
}

/// Traces jobs with swift-distributed-tracing: a span where jobs are scheduled, one for their wait in the queue, and one for each
/// execution, which child jobs and whatever else the job does go on from.
///
/// The trace travels in the job's context, in the form of the process's instrument; with W3C's (`traceparent`, `tracestate`), producers in
/// other languages take part by sending these headers. A job that was scheduled for later, or is run again, begins a trace of its own that is linked to the
/// one it comes from: a trace that goes on for days is of no use to anybody.
public struct TracingMiddleware: JobMiddleware {
  private let given: (any Tracer)?
  private let longest: Duration

  /// - Parameters:
  ///   - tracer: another one than the process's.
  ///   - longest: how long after it was accepted a job that waited for its time still belongs to the trace that it comes from.
  public init(tracer: (any Tracer)? = nil, linkAfter longest: Duration = .seconds(60)) {
    given = tracer
    self.longest = longest
  }

  private var tracer: any Tracer { given ?? InstrumentationSystem.tracer }

  public func schedule(
    _ submissions: [JobSubmission], next: @Sendable ([JobSubmission]) async throws -> [JobReceipt]
  ) async throws -> [JobReceipt] {
    let types = Set(submissions.map(\.type))
    let name = types.count == 1 ? "schedule \(types.first.map { "\($0)" } ?? "")" : "schedule jobs"
    return try await tracer.withSpan(name, ofKind: .producer) { span in
      span.attributes["messaging.system"] = "rabbitmq"
      span.attributes["messaging.operation.type"] = "send"
      span.attributes["messaging.batch.message_count"] = submissions.count
      var submissions = submissions
      for index in submissions.indices {
        tracer.inject(
          span.context, into: &submissions[index].context, using: ContextInjector())
      }
      let receipts = try await next(submissions)
      if receipts.count == 1 { span.attributes["messaging.message.id"] = "\(receipts[0].id)" }
      return receipts
    }
  }

  public func execute(
    _ job: JobContext, of type: JobTypeDescription,
    next: @Sendable (JobContext) async throws -> JSONPayload?
  ) async throws -> JSONPayload? {
    var origin = ServiceContext.topLevel
    tracer.extract(job.context, into: &origin, using: ContextExtractor())
    let isOfTrace = job.attempt == 1 && job.scheduledAt - job.createdAt <= longest
    let parent = isOfTrace ? origin : .topLevel
    noteWait(of: job, parent, isOfTrace ? nil : origin)
    // What is no error of the job's goes around the span, which would be shown as one that failed.
    let result: Result<JSONPayload?, any Error> = try await tracer.withSpan(
      "execute \(type.id)", context: parent, ofKind: .consumer
    ) { span in
      if !isOfTrace { span.addLink(SpanLink(context: origin, attributes: [:])) }
      describe(span, job)
      span.attributes["messaging.operation.type"] = "process"
      do {
        return .success(try await next(job))
      } catch let skip as JobSkip {
        span.attributes["warren.job.skipped"] = skip.reason
        return .failure(skip)
      } catch let snooze as Snooze {
        span.attributes["warren.job.snoozed"] = snooze.reason ?? ""
        return .failure(snooze)
      }
    }
    return try result.get()
  }

  /// The time between when a job was due and now, when it begins.
  private func noteWait(
    of job: JobContext, _ parent: ServiceContext, _ origin: ServiceContext?
  ) {
    let due = PastInstant(job.scheduledAt)
    let span = tracer.startSpan(
      "wait \(job.type)", context: parent, ofKind: .internal, at: due)
    if let origin { span.addLink(SpanLink(context: origin, attributes: [:])) }
    describe(span, job)
    // The clocks of two hosts may differ.
    span.end(at: max(due, PastInstant(.now)))
  }

  private func describe(_ span: any Span, _ job: JobContext) {
    span.attributes["messaging.system"] = "rabbitmq"
    span.attributes["messaging.message.id"] = "\(job.jobID)"
    span.attributes["warren.job.type"] = "\(job.type)"
    span.attributes["warren.job.attempt"] = job.attempt
  }
}

private struct PastInstant: TracerInstant {
  let nanosecondsSinceEpoch: UInt64

  init(_ time: Timestamp) {
    nanosecondsSinceEpoch = UInt64(clamping: time.milliseconds) * 1_000_000
  }

  static func < (left: PastInstant, right: PastInstant) -> Bool {
    left.nanosecondsSinceEpoch < right.nanosecondsSinceEpoch
  }
}

private struct ContextInjector: Injector {
  func inject(_ value: String, forKey key: String, into context: inout [String: String]) {
    context[key.lowercased()] = value
  }
}

private struct ContextExtractor: Extractor {
  func extract(key: String, from context: [String: String]) -> String? {
    context[key.lowercased()]
  }
}
