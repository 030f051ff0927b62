import Jobs

/// Times as people say them.
enum HumanTime {
  /// How a moment lies to now: `12 s ago`, `in 5 min`.
  static func text(_ moment: Timestamp, now: Timestamp) -> String {
    let distance = now - moment
    if distance > .milliseconds(-500), distance < .milliseconds(500) { return "now" }
    return distance > .zero ? "\(text(distance)) ago" : "in \(text(.zero - distance))"
  }

  /// How long something took, in at most two units: `0.4 s`, `12 s`, `3 min 5 s`, `2 h`.
  static func text(_ duration: Duration) -> String {
    let milliseconds = max(0, duration.milliseconds)
    if milliseconds < 10_000 {
      let tenths = (milliseconds + 50) / 100
      return tenths % 10 == 0 ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
    }
    let seconds = milliseconds / 1000
    let units: [(size: Int64, name: String)] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")]
    guard let large = units.firstIndex(where: { seconds >= $0.size }) else { return "0 s" }
    var parts = ["\(seconds / units[large].size) \(units[large].name)"]
    if large + 1 < units.count {
      let rest = seconds % units[large].size / units[large + 1].size
      if rest > 0 { parts.append("\(rest) \(units[large + 1].name)") }
    }
    return parts.joined(separator: " ")
  }
}
