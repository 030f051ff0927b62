import Foundation
import JobConfig
import Jobs

/// Runs the phases, each on a server, a worker and a store of its own.
struct BenchRun: Sendable {
  let settings: BenchSettings
  let configuration: WarrenConfiguration
  let progress: BenchProgress
  /// Makes the place for one phase.
  let site: @Sendable () -> BenchSite

  func callAsFunction() async throws -> BenchReport {
    var report = BenchReport(
      version: WarrenVersion.current, build: BenchReport.thisBuild, date: .now,
      broker: try await BenchBroker(configuration.broker).name(), machine: .this,
      settings: settings)
    for phase in settings.phases {
      progress.say("\(phase.rawValue): \(phase.explanation)")
      let found = try await run(phase)
      report.phases.append(found)
      for rate in found.rates {
        progress.say("  \(rate.name): \(Int(rate.perSecond.rounded())) jobs a second")
      }
    }
    return report
  }

  private func run(_ phase: BenchPhase) async throws -> BenchReport.Phase {
    switch phase {
    case .schedule: try await over(ThroughputPhases.schedule)
    case .http: try await over(ThroughputPhases.http)
    case .process: try await over(ThroughputPhases.process)
    case .together: try await over(ThroughputPhases.together)
    case .latency: try await over(LatencyPhase.run)
    case .bigStore: try await BigStorePhase.run(settings, progress, site: site)
    }
  }

  private func over(
    _ measure: @escaping @Sendable (BenchSystem) async throws -> BenchReport.Phase
  ) async throws -> BenchReport.Phase {
    try await BenchSystem.run(site(), settings, progress, measure)
  }
}
