import Foundation
import HummingbirdCore
import Jobs

/// The query of a request. A parameter that the route does not know is refused by name: a slip of the pen must not
/// silently list everything.
struct QueryParameters {
  private let values: [String: String]

  /// - Throws: ``APIProblem`` for a parameter that is unknown, or that is given twice.
  init(_ uri: URI, known: [String]) throws(APIProblem) {
    var values: [String: String] = [:]
    for (key, value) in uri.queryParameters where !(key.isEmpty && value.isEmpty) {
      let name = String(key)
      guard known.contains(name) else {
        throw APIProblem(
          .invalidParameter,
          "there is no query parameter '\(name.prefix(100))' here; known are "
            + known.joined(separator: ", "))
      }
      guard values[name] == nil else {
        throw APIProblem(.invalidParameter, "the query parameter \(name) is given twice")
      }
      values[name] = String(value)
    }
    self.values = values
  }

  subscript(name: String) -> String? { values[name] }

  /// Whether nothing but the named parameter is given.
  func hasOnly(_ name: String) -> Bool { values.keys.allSatisfy { $0 == name } }

  func integer(
    _ name: String, in range: ClosedRange<Int>, default fallback: Int
  ) throws(APIProblem) -> Int {
    guard let text = values[name] else { return fallback }
    guard let value = Int(text), range.contains(value) else {
      throw .parameter(
        name, "must be an integer from \(range.lowerBound) to \(range.upperBound)", text)
    }
    return value
  }

  func uuid(_ name: String) throws(APIProblem) -> UUID? {
    guard let text = values[name] else { return nil }
    guard let uuid = UUID(uuidString: text) else { throw .parameter(name, "must be a UUID", text) }
    return uuid
  }
}

extension APIProblem {
  /// A query parameter of a wrong value.
  ///
  /// - Parameter rule: what would be right, as in "must be a UUID".
  static func parameter(_ name: String, _ rule: String, _ value: String) -> APIProblem {
    APIProblem(
      .invalidParameter, "the query parameter \(name) \(rule), not '\(value.prefix(100))'")
  }
}
