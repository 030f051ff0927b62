import Foundation

/// A member that an object has twice. JSON leaves open what that means (RFC 8259, section 4): readers take the first, the last, or
/// neither, and none says so.
package struct JSONRepetition: Sendable, Hashable {
  /// Which element of the outermost array it is in; `nil` where the text is no array.
  package let element: Int?
  /// Which member, from the outermost object on: `filter.status`.
  package let name: String

  package init(element: Int?, name: String) {
    self.element = element
    self.name = name
  }

  /// The first of them in a text, or in each element of the outermost array.
  ///
  /// - Parameter bytes: what has been read as JSON; of anything else the answer means nothing.
  package static func all(in bytes: Span<UInt8>) -> [JSONRepetition] {
    var scan = Scan()
    var index = 0
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "{"): scan.levels.append(Scan.Level(isObject: true))
      case UInt8(ascii: "["): scan.levels.append(Scan.Level(isObject: false))
      case UInt8(ascii: "}"), UInt8(ascii: "]"): _ = scan.levels.popLast()
      case UInt8(ascii: ","): scan.next()
      case UInt8(ascii: "\""):
        let start = index
        var isEscaped = false
        index += 1
        while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
          if bytes[index] == UInt8(ascii: "\\") {
            isEscaped = true
            index += 1
          }
          index += 1
        }
        guard index < bytes.count else { return scan.found }
        if scan.isAtName { scan.note(name(bytes, start...index, isEscaped: isEscaped)) }
      default: break
      }
      index += 1
    }
    return scan.found
  }

  /// - Parameter range: with its quotation marks.
  private static func name(
    _ bytes: Span<UInt8>, _ range: ClosedRange<Int>, isEscaped: Bool
  ) -> String {
    let text = range.map { bytes[$0] }
    if isEscaped, let name = try? JSONDecoder().decode(String.self, from: Data(text)) {
      return name
    }
    return String(decoding: text.dropFirst().dropLast(), as: UTF8.self)
  }

  private struct Scan {
    struct Level {
      let isObject: Bool
      var names: Set<String> = []
      /// The last one.
      var name = ""
      var isNamed = false
      var index = 0
    }

    var levels: [Level] = []
    var found: [JSONRepetition] = []

    /// Whether a string would be a member's name.
    var isAtName: Bool { levels.last.map { $0.isObject && !$0.isNamed } ?? false }

    mutating func next() {
      guard !levels.isEmpty else { return }
      levels[levels.count - 1].isNamed = false
      levels[levels.count - 1].index += 1
    }

    mutating func note(_ name: String) {
      let last = levels.count - 1
      levels[last].isNamed = true
      levels[last].name = name
      guard !levels[last].names.insert(name).inserted else { return }
      let element = levels[0].isObject ? nil : levels[0].index
      guard found.isEmpty || found.last?.element != element else { return }
      let path = levels.filter(\.isObject).map { $0.name.shortened(to: 100) }
      found.append(
        JSONRepetition(element: element, name: path.joined(separator: ".").shortened(to: 400)))
    }
  }
}
