import Foundation

/// The places that a schema's references point to, found again while it is read.
struct ReferenceTargets {
  private struct Node {
    var next: [String: Int] = [:]
    var rule: Int?
  }

  private var nodes = [Node()]

  var root: Int { 0 }

  /// Takes what looks like a reference; one that is none does no harm.
  mutating func collect(in json: JSONValue) {
    switch json {
    case .object(let members):
      if case .string(let text) = members["$ref"], let path = Self.path(text) { add(path) }
      for member in members.values { collect(in: member) }
    case .array(let elements):
      for element in elements { collect(in: element) }
    case .null, .bool, .integer, .number, .string:
      break
    }
  }

  mutating func found(_ rule: Int, at target: Int) {
    nodes[target].rule = rule
  }

  func step(from target: Int, _ name: String) -> Int? { nodes[target].next[name] }

  func rule(of target: Int) -> Int? { nodes[target].rule }

  func target(of reference: String) -> Int? {
    guard let path = Self.path(reference) else { return nil }
    var target = root
    for name in path {
      guard let next = step(from: target, name) else { return nil }
      target = next
    }
    return target
  }

  private mutating func add(_ path: [String]) {
    var target = root
    for name in path {
      if let next = nodes[target].next[name] {
        target = next
      } else {
        nodes.append(Node())
        nodes[target].next[name] = nodes.count - 1
        target = nodes.count - 1
      }
    }
  }

  /// `nil` unless it is a pointer into the same schema.
  private static func path(_ reference: String) -> [String]? {
    guard reference.hasPrefix("#"), let pointer = reference.dropFirst().removingPercentEncoding
    else { return nil }
    return JSONPointer.path(pointer)
  }
}
