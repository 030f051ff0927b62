import Foundation
import JobConfig
import Jobs
import NIOCore
import NIOPosix

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

/// One of the things that are measured, each by itself.
enum BenchPhase: String, CaseIterable, Sendable {
  case schedule, http, process, together, latency
  case bigStore = "big-store"

  var explanation: String {
    switch self {
    case .schedule: "jobs published over AMQP, each confirmed, until all are stored"
    case .http: "POST /jobs over many connections"
    case .process: "a queue that is full before its one worker starts"
    case .together: "jobs published while the worker runs them"
    case .latency: "a steady rate of jobs: accepted, running, completed"
    case .bigStore: "look-ups, lists and a worker over a store of many rows"
    }
  }
}

/// How much is measured.
struct BenchSettings: Sendable, Hashable {
  var phases: [BenchPhase] = [.schedule, .http, .process, .together, .latency]
  /// In each phase, besides those of the warm-up.
  var jobs = 20_000
  /// How many jobs a producer hands over at once.
  var batch = 200
  /// How many jobs the worker may have at once.
  var capacity = 400
  /// How many clients of the API send a request each as soon as they have the last one's answer.
  var connections = 64
  /// Jobs a second, in the phase of latencies.
  var rate = 200
  /// How long that phase is.
  var seconds = 20
  /// Of the big store; none without that phase.
  var rows = 0
  /// How often each kind of look-up is measured.
  var lookups = 1_000

  /// How many jobs come before those that are measured: they make connections, fill caches and compile statements.
  var warmUp: Int { min(jobs / 10, 2_000) }
}

extension BenchSettings: Encodable {
  private enum CodingKeys: String, CodingKey {
    case phases, jobs, batch, capacity, connections, rate, seconds, rows, lookups
    case warmUp = "warm_up"
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(phases.map(\.rawValue), forKey: .phases)
    try container.encode(jobs, forKey: .jobs)
    try container.encode(batch, forKey: .batch)
    try container.encode(capacity, forKey: .capacity)
    try container.encode(connections, forKey: .connections)
    try container.encode(rate, forKey: .rate)
    try container.encode(seconds, forKey: .seconds)
    try container.encode(rows, forKey: .rows)
    try container.encode(lookups, forKey: .lookups)
    try container.encode(warmUp, forKey: .warmUp)
  }
}

/// Why a benchmark could not be run to its end.
enum BenchError: Error, CustomStringConvertible {
  case broker(String)
  /// The server or a worker has ended by itself.
  case ended(role: String, status: Int32, log: String)
  /// Nothing has come of it for a while.
  case stalled(String)
  case unexpected(String)
  /// Things of the benchmark's own that could not be removed.
  case leftBehind([String])

  var description: String {
    switch self {
    case .broker(let why): "the broker cannot be used: \(why)"
    case .ended(let role, let status, let log):
      "the \(role) ended by itself with status \(status)"
        + (log.isEmpty ? "" : "; the end of its log:\n\(log)")
    case .stalled(let what): "nothing moves any more: \(what)"
    case .unexpected(let what): what
    case .leftBehind(let what): "could not be removed: \(what.joined(separator: "; "))"
    }
  }
}

/// Where a benchmark's server and worker live: which broker, which names there, which store, which folder.
struct BenchSite: Sendable {
  let broker: BrokerAddress
  let prefix: String
  /// The SQLite file.
  let store: URL
  /// Holds the configuration and the store, unless they are the operator's own. Removed in the end.
  let folder: URL
  /// Whether prefix and store are the operator's own, and stay as they are in the end.
  let isKept: Bool
  private let configuration: String?

  /// Names and a store that nobody has used before.
  ///
  /// - Parameter parent: the folder in which they are to be: the store is as fast as the disk that it is on.
  static func throwaway(_ configuration: WarrenConfiguration, in parent: URL) -> BenchSite {
    let name = "bench-\(UUID().uuidString.prefix(8).lowercased())"
    let folder = parent.appending(path: "warren-\(name)")
    return BenchSite(
      broker: configuration.broker, prefix: name,
      store: folder.appending(path: "warren.sqlite"), folder: folder, isKept: false,
      configuration: nil)
  }

  /// The names and the store of the configuration.
  ///
  /// - Parameter file: that the configuration was read from, if any.
  static func configured(
    _ configuration: WarrenConfiguration, file: String?, in parent: URL
  ) -> BenchSite {
    let name = "warren-bench-\(UUID().uuidString.prefix(8).lowercased())"
    return BenchSite(
      broker: configuration.broker, prefix: configuration.prefix,
      store: URL(filePath: configuration.store), folder: parent.appending(path: name),
      isKept: true, configuration: file)
  }

  /// Makes the folder, readable for this user alone, if anything is to be in it. The one around it has to be there.
  func create() throws {
    guard !isKept else { return }
    try FileManager.default.createDirectory(
      at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
  }

  func remove() throws {
    guard FileManager.default.fileExists(atPath: folder.path) else { return }
    try FileManager.default.removeItem(at: folder)
  }

  /// A port of this machine that nobody listens on. Somebody else may come first; the server says so then.
  static func freePort() async throws -> Int {
    let probe = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0).get()
    let port = probe.localAddress?.port
    try await probe.close()
    guard let port else { throw BenchError.unexpected("the system gives no port") }
    return port
  }

  /// What `warren serve` and the worker are called with.
  ///
  /// - Parameter port: where the API is to listen.
  func launch(port: Int) throws -> (arguments: [String], environment: [String: String]) {
    let inherited = ProcessInfo.processInfo.environment
    let own = [
      "WARREN_HTTP_HOST": "127.0.0.1", "WARREN_HTTP_PORT": String(port),
      "WARREN_LOG_LEVEL": "warning",
    ]
    if isKept {
      return (configuration.map { ["--config", $0] } ?? [], inherited.merging(own) { $1 })
    }
    let file = folder.appending(path: "warren.yaml")
    // Texts of JSON are texts of YAML.
    let text = """
      broker: \(JSONValue.string(broker.url).text)
      prefix: \(prefix)
      store: \(JSONValue.string(store.path).text)
      http: {host: 127.0.0.1, port: \(port)}
      log_level: warning

      """
    guard
      FileManager.default.createFile(
        atPath: file.path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
    else { throw BenchError.unexpected("\(file.path) cannot be written") }
    return (["--config", file.path], inherited.filter { !$0.key.hasPrefix("WARREN_") })
  }
}
