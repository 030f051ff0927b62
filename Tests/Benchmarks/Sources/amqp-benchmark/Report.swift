import Foundation

/// What one run of one program measured of itself; times in seconds.
struct Run: Codable {
  let messages: Int
  let seconds: Double
  let user: Double
  let system: Double

  var perSecond: Double { Double(messages) / seconds }
  var userMicroseconds: Double { user * 1e6 / Double(messages) }
  var systemMicroseconds: Double { system * 1e6 / Double(messages) }
  var microseconds: Double { userMicroseconds + systemMicroseconds }
}

/// All rounds, and what they say.
struct Report: Encodable {
  struct Side: Encodable {
    var runs: [Run] = []

    enum CodingKeys: CodingKey {
      case perSecond, userMicroseconds, systemMicroseconds, microseconds, runs
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(median(of: \.perSecond), forKey: .perSecond)
      try container.encode(median(of: \.userMicroseconds), forKey: .userMicroseconds)
      try container.encode(median(of: \.systemMicroseconds), forKey: .systemMicroseconds)
      try container.encode(median(of: \.microseconds), forKey: .microseconds)
      try container.encode(runs, forKey: .runs)
    }

    func median(of value: (Run) -> Double) -> Double {
      runs.map(value).median
    }
  }

  struct Comparison: Encodable {
    var c = Side()
    var swift = Side()

    enum CodingKeys: CodingKey { case c, swift, cpuRatio, throughputRatio }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(c, forKey: .c)
      try container.encode(swift, forKey: .swift)
      try container.encode(ratio(of: \.microseconds), forKey: .cpuRatio)
      try container.encode(ratio(of: \.perSecond), forKey: .throughputRatio)
    }

    /// The median over the rounds of Swift's to C's: what disturbs a round disturbs both.
    func ratio(of value: (Run) -> Double) -> Double {
      zip(swift.runs, c.runs).map { value($0) / value($1) }.median
    }
  }

  let messages: Int
  let bytes: Int
  let batch: Int
  let inFlight: Int
  var publish = Comparison()
  var consume = Comparison()

  init(messages: Int, bytes: Int, batch: Int, inFlight: Int) {
    self.messages = messages
    self.bytes = bytes
    self.batch = batch
    self.inFlight = inFlight
  }

  mutating func add(_ run: Run, direction: String, isC: Bool) {
    let side: WritableKeyPath<Comparison, Side> = isC ? \.c : \.swift
    let comparison: WritableKeyPath<Report, Comparison> =
      direction == "publish" ? \.publish : \.consume
    self[keyPath: comparison][keyPath: side].runs.append(run)
  }

  var text: String {
    var lines = [
      "\(messages) messages of \(bytes) bytes, \(batch) at a time, \(inFlight) in flight; medians of \(publish.c.runs.count) rounds",
      "",
      "                    messages/s   CPU µs a message   (user + system)",
    ]
    for (name, comparison) in [("publish", publish), ("consume", consume)] {
      for (language, side) in [("C", comparison.c), ("Swift", comparison.swift)] {
        lines.append(
          String(
            format: "%@ %@ %12.0f %18.2f   (%.2f + %.2f)",
            name, language.padding(toLength: 10, withPad: " ", startingAt: 0),
            side.median(of: \.perSecond), side.median(of: \.microseconds),
            side.median(of: \.userMicroseconds), side.median(of: \.systemMicroseconds)))
      }
      lines.append(
        String(
          format: "%@ Swift : C  %9.2f × %16.2f ×", name, comparison.ratio(of: \.perSecond),
          comparison.ratio(of: \.microseconds)))
    }
    return lines.joined(separator: "\n")
  }
}

extension [Double] {
  var median: Double {
    guard !isEmpty else { return .nan }
    let sorted = sorted()
    let middle = count / 2
    return count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
  }
}
