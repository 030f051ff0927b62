extension String {
  /// The beginning of a text that may be of any length, because somebody else has written it: what is shown to people and
  /// stands in logs has an end. Cut between characters of Unicode, not between what looks like one: that may be long as well.
  package func shortened(to bytes: Int) -> String {
    guard utf8.count > bytes else { return self }
    var beginning = Array(utf8.prefix(bytes))
    // The last character may be there in part.
    while let last = beginning.popLast(), last & 0b1100_0000 == 0b1000_0000 {}
    return String(decoding: beginning, as: UTF8.self) + "…"
  }
}

extension Double {
  /// As people write it: without a fraction where it has none.
  package var shown: String { Int64(exactly: self).map { String($0) } ?? String(self) }
}

extension [String] {
  /// What could have been written instead of what is unknown.
  package func listedAsKnown(orElse none: String) -> String {
    isEmpty ? none : "known are \(joined(separator: ", "))"
  }
}
