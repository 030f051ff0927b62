import Jobs

/// A configuration that cannot be used, with all that is wrong with it.
package struct ConfigurationError: Error, Hashable, CustomStringConvertible {
  /// Never empty; in the order of their lines, those of the environment last.
  package let problems: [ConfigurationProblem]

  init(problems: [ConfigurationProblem]) {
    // In each line in the order of finding.
    self.problems = problems.enumerated()
      .sorted { ($0.element.line ?? .max, $0.offset) < ($1.element.line ?? .max, $1.offset) }
      .map(\.element)
  }

  /// A file that cannot be read at all.
  init(file: String, line: Int? = nil, column: Int? = nil, _ message: String) {
    problems = [
      ConfigurationProblem(
        place: .file(file, line: line, column: column), key: nil, message: message)
    ]
  }

  /// One problem on each line.
  package var description: String {
    problems.map(\.description).joined(separator: "\n")
  }
}

/// One thing that is wrong with a configuration.
package struct ConfigurationProblem: Sendable, Hashable, CustomStringConvertible {
  /// Where a setting comes from.
  package enum Place: Sendable, Hashable {
    /// The file; line and column from 1.
    case file(String, line: Int?, column: Int?)
    case environment(variable: String)
  }

  package let place: Place
  /// The setting, as in `http.port` or `types[2].timeout`.
  package let key: String?
  /// What is wrong, and what would be right.
  package let message: String

  /// The line in the file, if it is about one.
  package var line: Int? {
    if case .file(_, let line, _) = place { line } else { nil }
  }

  /// `FILE:LINE:COLUMN: KEY: MESSAGE`, or `VARIABLE: MESSAGE`.
  package var description: String {
    var parts: [String] = []
    switch place {
    case .file(let file, let line, let column):
      let position = [line, column].compactMap { $0.map(String.init) }
      parts.append(([file] + position).filter { !$0.isEmpty }.joined(separator: ":"))
      if let key, !key.isEmpty { parts.append(key.shortened(to: 200)) }
    case .environment(let variable):
      parts.append(variable)
    }
    parts.append(message.shortened(to: 700))
    return parts.filter { !$0.isEmpty }.joined(separator: ": ")
  }
}

/// Finds what someone probably meant to write.
enum Spelling {
  /// The candidate that differs from the word in the fewest letters, if that is so few that it is likely meant; otherwise
  /// the only one that has the word in it.
  static func suggestion(for word: String, among candidates: [String]) -> String? {
    if let near = near(word, among: candidates) { return near }
    let lowered = lowered(word)
    guard (4...100).contains(lowered.utf8.count) else { return nil }
    // Rather a whole word of several than a part of one: `port` is in `http_port`, and in `report`.
    let whole = candidates.filter {
      $0.lowercased().split(separator: "_").contains { $0 == lowered }
    }
    let longer = candidates.filter { $0.lowercased().contains(lowered) }
    return whole.count == 1 ? whole.first : longer.count == 1 ? longer.first : nil
  }

  /// The candidate that differs from the word in the fewest letters, if that is so few that it is likely meant.
  static func near(_ word: String, among candidates: [String]) -> String? {
    // The distance costs the product of the lengths; nobody means a name with a word ten times its length.
    guard word.utf8.count <= 100 else { return nil }
    let letters = Array(lowered(word))
    let limit = max(1, min(3, letters.count / 3))
    return
      candidates
      .map { (name: $0, distance: distance(letters, Array($0.lowercased()))) }
      .filter { $0.distance <= limit }
      .min { ($0.distance, $0.name) < ($1.distance, $1.name) }?.name
  }

  private static func lowered(_ word: String) -> String {
    word.lowercased().replacing("-", with: "_")
  }

  /// "did you mean X?", or the list of what there is.
  static func hint(for word: String, among candidates: [String]) -> String {
    if let suggestion = suggestion(for: word, among: candidates) {
      return "did you mean \(suggestion)?"
    }
    return candidates.listedAsKnown(orElse: "there are none")
  }

  /// How many letters have to be put in, taken out, changed, or exchanged with their neighbour.
  private static func distance(_ first: [Character], _ second: [Character]) -> Int {
    var beforePrevious: [Int] = []
    var previous = Array(0...second.count)
    for (row, letter) in first.enumerated() {
      var current = [row + 1]
      for (column, other) in second.enumerated() {
        var best = min(
          previous[column + 1] + 1, current[column] + 1,
          previous[column] + (letter == other ? 0 : 1))
        if row > 0, column > 0, letter == second[column - 1], first[row - 1] == other {
          best = min(best, beforePrevious[column - 1] + 1)
        }
        current.append(best)
      }
      beforePrevious = previous
      previous = current
    }
    return previous[second.count]
  }
}
