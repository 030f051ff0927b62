import Jobs

/// Durations as people write them: numbers with units, from large to small, as in `90s`, `1m30s`, `500ms`, `1.5h`.
package enum DurationText {
  private static let units: [(name: String, milliseconds: Double)] = [
    ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
  ]

  /// Reads a duration, to the millisecond.
  ///
  /// A number without a unit is refused: whether it means seconds or milliseconds is a guess that costs someone a night.
  ///
  /// - Throws: ``DurationTextError`` that says what would be right.
  package static func parse(_ text: String) throws(DurationTextError) -> Duration {
    var rest = Substring(text)
    var total = 0.0
    var unitsLeft = units[...]
    guard !rest.isEmpty else { throw DurationTextError("an empty text is no duration") }
    while !rest.isEmpty {
      let number = rest.prefix { ("0"..."9").contains($0) || $0 == "." }
      rest = rest[number.endIndex...]
      let unit = rest.prefix { ("a"..."z").contains($0) || ("A"..."Z").contains($0) }
      rest = rest[unit.endIndex...]
      guard let value = Double(number), number.last != "." else {
        throw DurationTextError("'\(text.prefix(100))' is no duration")
      }
      guard !unit.isEmpty else {
        let wholeIsNumber = number.endIndex == text.endIndex && number.startIndex == text.startIndex
        throw wholeIsNumber
          ? DurationTextError(
            "\(text.prefix(100)) has no unit; write \(text.prefix(100))s for seconds")
          : DurationTextError("'\(text.prefix(100))' is no duration")
      }
      guard units.contains(where: { $0.name == unit }) else {
        throw DurationTextError("'\(unit.prefix(20))' is no unit of time")
      }
      guard let index = unitsLeft.firstIndex(where: { $0.name == unit }) else {
        throw DurationTextError("the units of '\(text.prefix(100))' do not go from large to small")
      }
      total += value * unitsLeft[index].milliseconds
      unitsLeft = unitsLeft[(index + 1)...]
    }
    guard let duration = Duration(checkedSeconds: total / 1000) else {
      throw DurationTextError("'\(text.prefix(100))' is longer than 100 years")
    }
    return duration
  }

  /// The shortest exact spelling that ``parse(_:)`` reads: `1m30s`, not `90s`; `0s` for none.
  package static func text(_ duration: Duration) -> String {
    var rest = max(0, duration.milliseconds)
    guard rest > 0 else { return "0s" }
    var text = ""
    for (name, milliseconds) in units {
      let size = Int64(milliseconds)
      if rest >= size { text += "\(rest / size)\(name)" }
      rest %= size
    }
    return text
  }
}

/// A text that is no duration.
package struct DurationTextError: Error, Hashable, CustomStringConvertible {
  /// What was wrong, and what would be right.
  package let description: String

  init(_ problem: String) {
    description = "\(problem); a duration is written as in 500ms, 60s, 1m30s, 2h or 1d"
  }
}
