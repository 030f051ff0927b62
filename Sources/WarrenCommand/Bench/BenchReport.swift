import Foundation
import Histogram
import Jobs

/// How long something took, many times. Kept as a histogram of three significant digits.
struct Latencies: Sendable {
  private var histogram = Histogram<UInt32>(numberOfSignificantValueDigits: .three)

  var count: Int { Int(histogram.totalCount) }

  mutating func record(nanoseconds: Int64) {
    histogram.record(UInt64(max(0, nanoseconds)))
  }

  mutating func record(from begin: MonotonicTime, to end: MonotonicTime) {
    record(nanoseconds: end.nanoseconds - begin.nanoseconds)
  }

  mutating func add(_ other: Latencies) {
    histogram.add(other.histogram)
  }

  /// In milliseconds; 0 when there is none.
  func percentile(_ percent: Double) -> Double {
    Double(histogram.valueAtPercentile(percent)) / 1e6
  }

  /// In milliseconds.
  var longest: Double { percentile(100) }
}

/// What a benchmark has found.
struct BenchReport: Sendable {
  /// How many jobs in which time.
  struct Rate: Sendable, Hashable {
    let name: String
    let jobs: Int
    let seconds: Double

    /// A rate of nothing in no time is none.
    var perSecond: Double { seconds > 0 ? Double(jobs) / seconds : 0 }
  }

  struct Latency: Sendable {
    let name: String
    let latencies: Latencies

    init(_ name: String, _ latencies: Latencies) {
      self.name = name
      self.latencies = latencies
    }
  }

  /// Any other number.
  struct Figure: Sendable, Hashable {
    let name: String
    let value: Double
    /// As it is written behind the number; empty for a ratio.
    let unit: String

    init(_ name: String, _ value: Double, _ unit: String = "") {
      self.name = name
      self.value = value
      self.unit = unit
    }
  }

  /// What a process took of the machine while the phase was measured.
  struct Resources: Sendable, Hashable {
    let name: String
    let usage: UsageWatch.Usage
    /// How many jobs that was for.
    let jobs: Int

    var processorSeconds: Double { usage.last.processorTime - usage.first.processorTime }
  }

  struct Phase: Sendable {
    let phase: BenchPhase
    var rates: [Rate] = []
    var latencies: [Latency] = []
    var figures: [Figure] = []
    var resources: [Resources] = []

    init(_ phase: BenchPhase) {
      self.phase = phase
    }

    /// - Parameter while: what went on, where the phase looks at its processes more than once.
    mutating func add(
      _ usages: [(role: String, usage: UsageWatch.Usage)], jobs: Int, while activity: String? = nil
    ) {
      let suffix = activity.map { ", \($0)" } ?? ""
      resources += usages.map { Resources(name: $0.role + suffix, usage: $0.usage, jobs: jobs) }
    }
  }

  /// Where it was measured.
  struct Machine: Sendable, Hashable, Encodable {
    let processor: String
    let cores: Int
    /// In bytes.
    let memory: UInt64
    let kernel: String

    static var this: Machine {
      Machine(
        processor: field("model name", of: "/proc/cpuinfo") ?? "unknown processor",
        cores: ProcessInfo.processInfo.activeProcessorCount,
        memory: ProcessInfo.processInfo.physicalMemory,
        kernel: text(of: "/proc/sys/kernel/osrelease"))
    }

    private static func field(_ name: String, of file: String) -> String? {
      text(of: file).split(separator: "\n").first { $0.hasPrefix(name) }?
        .split(separator: ":", maxSplits: 1).last?.trimmingCharacters(in: .whitespaces)
    }

    private static func text(of file: String) -> String {
      ((try? String(contentsOfFile: file, encoding: .utf8)) ?? "")
        .trimmingCharacters(in: .whitespacesAndNewlines)
    }
  }

  let version: String
  /// `debug` or `release`: the figures of a debug build say nothing about Warren.
  let build: String
  let date: Date
  let broker: String
  let machine: Machine
  let settings: BenchSettings
  var phases: [Phase] = []

  init(
    version: String, build: String, date: Date, broker: String, machine: Machine,
    settings: BenchSettings
  ) {
    self.version = version
    self.build = build
    self.date = date
    self.broker = broker
    self.machine = machine
    self.settings = settings
  }

  #if DEBUG
    static let thisBuild = "debug"
  #else
    static let thisBuild = "release"
  #endif
}

/// The JSON form: an object for each phase, and in it each number under its name with `_` for the spaces.
extension BenchReport: Encodable {
  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(_ name: String) {
      stringValue = String(name.map { $0.isLetter || $0.isNumber ? $0 : "_" })
    }

    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
  }

  private typealias Container = KeyedEncodingContainer<Key>

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(version, forKey: Key("version"))
    try container.encode(build, forKey: Key("build"))
    try container.encode(date.ISO8601Format(), forKey: Key("date"))
    try container.encode(broker, forKey: Key("broker"))
    try container.encode(machine, forKey: Key("machine"))
    try container.encode(settings, forKey: Key("settings"))
    var phases = container.nestedContainer(keyedBy: Key.self, forKey: Key("phases"))
    for phase in self.phases { try Self.encode(phase, to: &phases) }
  }

  private static func encode(_ phase: Phase, to phases: inout Container) throws {
    var container = phases.nestedContainer(keyedBy: Key.self, forKey: Key(phase.phase.rawValue))
    try encode(phase.rates, "rates", to: &container, name: \.name) { rate, values in
      try values.encode(rate.jobs, forKey: Key("jobs"))
      try values.encode(rate.seconds, forKey: Key("seconds"))
      try values.encode(rate.perSecond, forKey: Key("per_second"))
    }
    try encode(phase.latencies, "latencies_ms", to: &container, name: \.name) { latency, values in
      try values.encode(latency.latencies.count, forKey: Key("count"))
      for percent in [50.0, 95, 99] {
        try values.encode(
          latency.latencies.percentile(percent), forKey: Key("p\(Int(percent))"))
      }
      try values.encode(latency.latencies.longest, forKey: Key("max"))
    }
    try encode(phase.figures, "figures", to: &container, name: \.name) { figure, values in
      try values.encode(figure.value, forKey: Key("value"))
      try values.encode(figure.unit, forKey: Key("unit"))
    }
    try encode(phase.resources, "processes", to: &container, name: \.name) { process, values in
      try values.encode(process.usage.first.resident, forKey: Key("resident_bytes_first"))
      try values.encode(process.usage.mostResident, forKey: Key("resident_bytes_most"))
      try values.encode(process.usage.last.resident, forKey: Key("resident_bytes_last"))
      try values.encode(process.processorSeconds, forKey: Key("processor_seconds"))
      try values.encode(process.jobs, forKey: Key("jobs"))
    }
  }

  /// One object with a member for each element; nothing where there are none.
  private static func encode<Element>(
    _ elements: [Element], _ title: String, to container: inout Container,
    name: (Element) -> String, _ write: (Element, inout Container) throws -> Void
  ) throws {
    guard !elements.isEmpty else { return }
    var list = container.nestedContainer(keyedBy: Key.self, forKey: Key(title))
    for element in elements {
      var values = list.nestedContainer(keyedBy: Key.self, forKey: Key(name(element)))
      try write(element, &values)
    }
  }
}
