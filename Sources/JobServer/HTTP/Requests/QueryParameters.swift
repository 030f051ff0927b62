import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Jobs

/// The query of a request. A parameter that the route does not know is refused by name: a slip of the pen must not
/// silently list everything.
///
/// A query is form-encoded (URL Standard, section 5.1), as browsers, curl's `--data-urlencode` and most HTTP libraries
/// write it: `+` is a space. Hummingbird's own reading leaves the plus as it is, and names encoded.
struct QueryParameters {
  private let values: [String: String]

  /// - Throws: ``APIProblem`` for a parameter that is unknown, or that is given twice.
  init(_ uri: URI, known: [String]) throws(APIProblem) {
    var values: [String: String] = [:]
    for pair in (uri.query ?? "").split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = Self.decoded(parts[0])
      let value = parts.count > 1 ? Self.decoded(parts[1]) : ""
      if name.isEmpty, value.isEmpty { continue }
      guard known.contains(name) else {
        throw APIProblem(
          .invalidParameter,
          "there is no query parameter '\(name.prefix(100))' here; "
            + known.listedAsKnown(orElse: "it takes none"))
      }
      guard values[name] == nil else {
        throw APIProblem(.invalidParameter, "the query parameter \(name) is given twice")
      }
      values[name] = value
    }
    self.values = values
  }

  /// - Throws: ``APIProblem`` for any parameter.
  static func refuseAll(of uri: URI) throws(APIProblem) {
    _ = try QueryParameters(uri, known: [])
  }

  /// Undoes the form-encoding; what no encoder writes stays as it is, and is named by whoever cannot read the value.
  private static func decoded(_ text: Substring) -> String {
    let spaced = String(text).replacing("+", with: " ")
    return spaced.removingPercentEncoding ?? spaced
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

  /// `true` or `false`; `false` where it is not given.
  func flag(_ name: String) throws(APIProblem) -> Bool {
    guard let text = values[name] else { return false }
    guard let flag = Bool(text) else { throw .parameter(name, "must be true or false", text) }
    return flag
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

/// Which part of a list is asked for.
struct PageQuery: Equatable {
  static let names = ["page", "page_size"]
  /// The largest leaves room for the multiplication with the largest page size.
  static let pages = 1...1_000_000_000
  static let sizes = 1...1000
  static let defaultSize = 50

  /// From 1.
  let page: Int
  let pageSize: Int

  init(_ query: QueryParameters) throws(APIProblem) {
    page = try query.integer("page", in: Self.pages, default: 1)
    pageSize = try query.integer("page_size", in: Self.sizes, default: Self.defaultSize)
  }

  /// The part of a list that is held in memory.
  func part<Element>(of elements: [Element]) -> [Element] {
    Array(elements.dropFirst((page - 1) * pageSize).prefix(pageSize))
  }
}

extension Parameters {
  /// The job id in the path.
  ///
  /// - Throws: ``APIProblem`` when it is no UUID.
  func jobID() throws(APIProblem) -> JobID {
    let text = decoded("id")
    guard let id = JobID(text) else {
      throw APIProblem(
        .invalidParameter, "'\(text.prefix(100))' is no job id; a job id is a UUID")
    }
    return id
  }

  /// A part of the path, with its percent-encoding undone; unchanged where that cannot be undone.
  func decoded(_ name: String) -> String {
    let text = get(name) ?? ""
    return text.removingPercentEncoding ?? text
  }
}
