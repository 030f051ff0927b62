import Foundation
import InMemoryTracing
import Logging
import MetricsTestKit
import Tracing
import Warren

/// A service whose spans and metrics are kept, for the system's tests. When it ends it writes them down: `spans.json` and `metrics.json`
/// in the folder that FOLDER names.
@main
struct TracedWorker {
  struct Parent: JobParams {
    static let job = JobDefinition("trace:parent")
    var children: Int
  }

  struct Child: JobParams {
    static let job = JobDefinition("trace:child")
    var number: Int
  }

  /// Run by another worker, as a program.
  struct Command: JobParams {
    static let job = JobDefinition("files:traced")
  }

  static func main() async throws {
    let environment = ProcessInfo.processInfo.environment
    guard let broker = environment["WARREN_BROKER"], let prefix = environment["WARREN_PREFIX"],
      let folder = environment["FOLDER"]
    else { throw PermanentFailure("WARREN_BROKER, WARREN_PREFIX and FOLDER are needed") }
    let tracer = W3CTracer()
    let metrics = TestMetrics()
    let jobs = try JobService(
      broker: broker, prefix: prefix,
      middleware: [
        MetricsMiddleware(factory: metrics), TracingMiddleware(tracer: tracer), .logging,
      ])
    jobs.on(Parent.self) { params, job in
      try await job.schedule((0..<params.children).map { Child(number: $0) })
      try await job.schedule(Command())
      job.logger.info("has scheduled")
    }
    jobs.on(Child.self) { params, job in
      if params.number == 1 { throw job.skip("odd") }
    }
    try await jobs.runUntilSignal()
    try write(tracer.spans, "\(folder)/spans.json")
    try write(figures(metrics), "\(folder)/metrics.json")
  }

  private static func figures(_ metrics: TestMetrics) -> [String: Int64] {
    var figures: [String: Int64] = [:]
    func name(_ label: String, _ dimensions: [(String, String)]) -> String {
      ([label] + dimensions.map { "\($0.0)=\($0.1)" }.sorted()).joined(separator: " ")
    }
    for counter in metrics.counters {
      figures[name(counter.label, counter.dimensions)] = counter.totalValue
    }
    for recorder in metrics.recorders {
      figures[name(recorder.label, recorder.dimensions)] = Int64(recorder.values.reduce(0, +))
    }
    for timer in metrics.timers {
      figures[name(timer.label, timer.dimensions)] = Int64(timer.values.count)
    }
    return figures
  }

  private static func write(_ value: some Encodable, _ path: String) throws {
    try JSONEncoder().encode(value).write(to: URL(filePath: path))
  }
}
