import Jobs
import Yams

/// An OpenAPI document (3.1), as far as Warren's own uses it: references lie within it, and what is said of an operation stands
/// in the order in which it is to be shown.
package struct OpenAPI {
  let root: Node

  /// - Throws: ``OpenAPIError`` when it is no YAML.
  package init(yaml: String) throws(OpenAPIError) {
    do {
      guard let root = try Yams.compose(yaml: yaml), root.mapping != nil else {
        throw OpenAPIError("the document is empty")
      }
      self.root = root
    } catch let error as OpenAPIError {
      throw error
    } catch {
      throw OpenAPIError("the document is no YAML: \(error)")
    }
  }

  /// A method and a path, in the order of the document.
  package struct Operation {
    /// In capitals.
    package let method: String
    package let path: String
    let node: Node
    /// Those of its path, and its own.
    let parameters: [Node]

    /// The least role of whoever uses it; `nil` for none.
    package var role: String? { node["x-required-role"]?.string }
    /// For what.
    package var scope: String? { node["x-required-scope"]?.string }
    /// Whether it is said to be open to everybody.
    package var isOpen: Bool { node["security"]?.sequence?.isEmpty == true }
  }

  package var operations: [Operation] {
    let methods = ["get", "head", "post", "put", "patch", "delete", "options", "trace"]
    return (root["paths"]?.members ?? []).flatMap { path, item in
      item.members.filter { methods.contains($0.name) }.map { method, node in
        Operation(
          method: method.uppercased(), path: path, node: node,
          parameters: (item["parameters"]?.elements ?? []) + (node["parameters"]?.elements ?? []))
      }
    }
  }

  /// A kind of problem that the document knows.
  package struct ProblemKind: Hashable {
    package let type: String
    package let title: String
    package let status: Int

    package init(type: String, title: String, status: Int) {
      self.type = type
      self.title = title
      self.status = status
    }
  }

  /// The schemas of problems: those whose `type` is a constant.
  package var problems: [ProblemKind] {
    schemas.compactMap { _, schema in
      guard let members = schema["properties"], let type = members["type"]?["const"]?.string,
        type.hasPrefix("/problems/"), let title = members["title"]?["const"]?.string,
        let status = members["status"]?["const"]?.int
      else { return nil }
      return ProblemKind(type: type, title: title, status: status)
    }
  }

  var schemas: [(name: String, node: Node)] { root["components"]?["schemas"]?.members ?? [] }

  /// What a reference leads to; the node itself where it is none.
  func resolved(_ node: Node) throws(OpenAPIError) -> Node {
    guard let reference = node["$ref"]?.string else { return node }
    var found: Node? = root
    for part in reference.split(separator: "/").dropFirst() { found = found?[String(part)] }
    guard reference.hasPrefix("#/"), let found else {
      throw OpenAPIError("the reference \(reference) leads nowhere")
    }
    return found
  }
}

/// Why a document cannot be shown.
package struct OpenAPIError: Error, CustomStringConvertible {
  package let description: String

  init(_ description: String) {
    self.description = description
  }
}

extension Node {
  /// The members of a mapping, in their order; none of anything else.
  var members: [(name: String, node: Node)] {
    mapping?.compactMap { key, value in key.string.map { ($0, value) } } ?? []
  }

  /// The elements of a sequence; none of anything else.
  var elements: [Node] { sequence.map(Array.init) ?? [] }

  /// Its texts, where it is one or a sequence of them.
  var texts: [String] { string.map { [$0] } ?? elements.compactMap(\.string) }

  /// As JSON, with a member a line.
  func json(indented depth: Int = 0) -> String {
    let inner = String(repeating: "  ", count: depth + 1)
    let outer = String(repeating: "  ", count: depth)
    if mapping != nil {
      let lines = members.map { name, node in
        "\(inner)\(JSONValue.string(name).text): \(node.json(indented: depth + 1))"
      }
      return lines.isEmpty ? "{}" : "{\n\(lines.joined(separator: ",\n"))\n\(outer)}"
    }
    if sequence != nil {
      let all = elements.map { $0.json(indented: depth + 1) }
      let isShort = !all.contains { $0.contains("\n") }
      if isShort { return "[\(all.joined(separator: ", "))]" }
      return "[\n\(all.map { inner + $0 }.joined(separator: ",\n"))\n\(outer)]"
    }
    return value.text
  }

  /// What a scalar stands for.
  private var value: JSONValue {
    guard let scalar, scalar.style == .plain else { return .string(string ?? "") }
    if null != nil { return .null }
    if let bool { return .bool(bool) }
    if let int { return .integer(Int64(int)) }
    if let float { return .number(float) }
    return .string(scalar.string)
  }
}
