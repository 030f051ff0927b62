import InMemoryTracing
import Tracing

/// Keeps spans, and passes them on as W3C Trace Context says: as an OpenTelemetry tracer would, without a collector.
struct W3CTracer: Tracer {
  typealias Span = InMemorySpan

  struct Exported: Encodable {
    let name: String
    let trace: String
    let id: String
    let parent: String?
    let links: [String]
  }

  private let base = InMemoryTracer(
    idGenerator: .init(nextTraceID: { hex(32) }, nextSpanID: { hex(16) }))

  private static func hex(_ digits: Int) -> String {
    String((0..<digits).map { _ in "0123456789abcdef".randomElement() ?? "1" })
  }

  var spans: [Exported] {
    base.finishedSpans.map { span in
      Exported(
        name: span.operationName, trace: span.traceID, id: span.spanID, parent: span.parentSpanID,
        links: span.links.compactMap { $0.context.inMemorySpanContext?.traceID })
    }
  }

  func startSpan<Instant: TracerInstant>(
    _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
    at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
  ) -> InMemorySpan {
    base.startSpan(
      operationName, context: context(), ofKind: kind, at: instant(), function: function,
      file: fileID, line: line)
  }

  func forceFlush() {}

  func inject<Carrier, Inject: Injector>(
    _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
  ) where Inject.Carrier == Carrier {
    guard let span = context.inMemorySpanContext else { return }
    injector.inject("00-\(span.traceID)-\(span.spanID)-01", forKey: "traceparent", into: &carrier)
  }

  func extract<Carrier, Extract: Extractor>(
    _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
  ) where Extract.Carrier == Carrier {
    guard let parts = extractor.extract(key: "traceparent", from: carrier)?.split(separator: "-"),
      parts.count == 4
    else { return }
    context.inMemorySpanContext = InMemorySpanContext(
      traceID: String(parts[1]), spanID: String(parts[2]), parentSpanID: nil)
  }
}
