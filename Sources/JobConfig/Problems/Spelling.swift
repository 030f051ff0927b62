import Jobs

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
