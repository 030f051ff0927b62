import Jobs

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
