import Yams

/// What a JSON Schema says, in words.
extension PageContent {
  static func field(_ name: String, _ node: Node, place: String, isRequired: Bool) -> Field {
    let schema = node["schema"]
    return Field(
      fieldName: name, place: place, isRequired: isRequired, kind: schema.map(kind) ?? [],
      limits: schema.map(limits) ?? "", fieldText: paragraphs(node["description"]))
  }

  /// The members of an object, and of the objects within it that have no name of their own.
  ///
  /// - Parameter prefix: the place of the object.
  static func members(of schema: Node, prefix: String = "") -> [Field] {
    let required = schema["required"]?.texts ?? []
    return (schema["properties"]?.members ?? []).flatMap { name, member in
      let place = prefix + name
      let field = Field(
        fieldName: place, place: "", isRequired: required.contains(name), kind: kind(member),
        limits: limits(member), fieldText: paragraphs(member["description"]))
      let inner =
        member["items"].map { members(of: $0, prefix: "\(place)[].") }
        ?? members(of: member, prefix: "\(place).")
      return [field] + inner
    }
  }

  /// What kind of value it is, with links to the schemas that have a name.
  static func kind(_ schema: Node) -> [Run] {
    if let name = schema["$ref"]?.string?.split(separator: "/").last.map(String.init) {
      return [Run(text: name, isLink: true, target: name)]
    }
    if let constant = schema["const"] { return [Run(text: constant.json(), isCode: true)] }
    if let choices = schema["oneOf"] {
      return listed(choices.elements.map(kind), by: " or ")
    }
    if let items = schema["items"] { return [Run(text: "array of ")] + kind(items) }
    let kinds = schema["type"]?.texts ?? []
    return [Run(text: kinds.isEmpty ? "any value" : kinds.joined(separator: " or "))]
  }

  /// What bounds it has.
  static func limits(_ schema: Node) -> String {
    func text(_ name: String) -> String? { schema[name]?.scalar?.string }
    var limits: [String] = []
    func bounds(_ least: String, _ most: String, _ unit: String) {
      switch (text(least), text(most)) {
      case (let least?, let most?): limits.append("\(least) to \(most)\(unit)")
      case (let least?, nil): limits.append("at least \(least)\(unit)")
      case (nil, let most?): limits.append("at most \(most)\(unit)")
      case (nil, nil): break
      }
    }
    if let format = text("format") { limits.append(format) }
    if let choices = schema["enum"] {
      limits.append("one of " + choices.texts.joined(separator: ", "))
    }
    bounds("minimum", "maximum", "")
    bounds("minLength", "maxLength", " characters")
    bounds("minItems", "maxItems", " elements")
    bounds("minProperties", "maxProperties", " members")
    let patterns = ([schema] + (schema["anyOf"]?.elements ?? [])).compactMap {
      $0["pattern"]?.string
    }
    if !patterns.isEmpty { limits.append("pattern " + patterns.joined(separator: " or ")) }
    if let value = schema["default"] { limits.append("default \(value.json())") }
    return limits.joined(separator: "; ")
  }

  /// The paragraphs of a description; what stands between backticks is code.
  static func paragraphs(_ node: Node?) -> [Paragraph] {
    let text = node?.string ?? ""
    return text.split(separator: "\n\n").map { part in
      let pieces = part.split(separator: "`", omittingEmptySubsequences: false)
      return Paragraph(
        runs: pieces.enumerated().map { Run(text: String($1), isCode: $0 % 2 == 1) })
    }
  }

  static func listed(_ parts: [[Run]], by separator: String) -> [Run] {
    Array(parts.joined(separator: [Run(text: separator)]))
  }

  static func listed(_ runs: [Run], by separator: String) -> [Run] {
    listed(runs.map { [$0] }, by: separator)
  }
}
