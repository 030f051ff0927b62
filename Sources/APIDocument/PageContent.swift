import Yams

/// All that the page shows, in the words of its template. Every text is escaped by the template; a name is used for one thing
/// only, since a template that does not find one looks further outside.
struct PageContent {
  let style: String
  let title: String
  let version: String
  let summary: String
  let introduction: [Paragraph]
  let groups: [Group]
  let schemas: [SchemaEntry]
  let problems: [ProblemEntry]

  struct Paragraph {
    let runs: [Run]
  }

  /// A piece of text: plain, code, or a link within the page.
  struct Run {
    let text: String
    var isCode = false
    var isLink = false
    var target = ""
  }

  struct Group {
    let groupName: String
    let groupText: [Paragraph]
    let operations: [OperationEntry]
  }

  struct OperationEntry {
    let operationID: String
    let method: String
    let path: String
    let operationSummary: String
    let operationText: [Paragraph]
    let hasParameters: Bool
    let parameters: [Field]
    let hasBody: Bool
    let bodyText: [Paragraph]
    let bodies: [Body]
    let answers: [Answer]
  }

  /// A parameter, a header, or a member of an object.
  struct Field {
    let fieldName: String
    let place: String
    let isRequired: Bool
    let kind: [Run]
    let limits: String
    let fieldText: [Paragraph]
  }

  struct Body {
    let mediaType: String
    let bodyKind: [Run]
    let examples: [Example]
  }

  struct Example {
    let exampleName: String
    let exampleText: String
  }

  struct Answer {
    let status: String
    let answerText: [Paragraph]
    let hasHeaders: Bool
    let headers: [Field]
    let answerBodies: [Body]
    let hasLinks: Bool
    let links: [Run]
  }

  struct SchemaEntry {
    let schemaName: String
    let schemaText: [Paragraph]
    let schemaKind: [Run]
    let schemaLimits: String
    let hasFields: Bool
    let fields: [Field]
  }

  struct ProblemEntry {
    let problemName: String
    let problemType: String
    let problemTitle: String
    let problemStatus: String
    let problemText: [Paragraph]
    let problemExample: String
  }
}

extension PageContent {
  init(of document: OpenAPI, style: String) throws(OpenAPIError) {
    let info = document.root["info"]
    self.style = style
    title = info?["title"]?.string ?? ""
    version = info?["version"]?.string ?? ""
    summary = info?["summary"]?.string ?? ""
    introduction = Self.paragraphs(info?["description"])
    var groups: [Group] = []
    for tag in document.root["tags"]?.elements ?? [] {
      let name = tag["name"]?.string ?? ""
      var entries: [OperationEntry] = []
      for operation in document.operations
      where operation.node["tags"]?.texts.contains(name) == true {
        entries.append(try Self.entry(operation, document))
      }
      groups.append(
        Group(
          groupName: name, groupText: Self.paragraphs(tag["description"]), operations: entries))
    }
    self.groups = groups
    var schemas: [SchemaEntry] = []
    var problems: [ProblemEntry] = []
    for (name, schema) in document.schemas {
      if let problem = Self.problem(name, schema) {
        problems.append(problem)
      } else {
        let fields = Self.members(of: schema)
        schemas.append(
          SchemaEntry(
            schemaName: name, schemaText: Self.paragraphs(schema["description"]),
            schemaKind: Self.kind(schema), schemaLimits: Self.limits(schema),
            hasFields: !fields.isEmpty, fields: fields))
      }
    }
    self.schemas = schemas
    self.problems = problems
  }

  /// What whoever uses an operation has to be.
  private static func access(_ operation: OpenAPI.Operation) -> [Paragraph] {
    guard let role = operation.role else { return [] }
    let scope =
      switch operation.scope {
      case "whole-tenant": ", without patterns"
      case "all-tenants": ", for all tenants"
      default: ""
      }
    return [
      Paragraph(
        runs: [
          Run(text: "Takes the role "), Run(text: role, isCode: true), Run(text: scope + "."),
        ])
    ]
  }

  private static func entry(
    _ operation: OpenAPI.Operation, _ document: OpenAPI
  ) throws(OpenAPIError) -> OperationEntry {
    var parameters: [Field] = []
    for node in operation.parameters {
      let parameter = try document.resolved(node)
      parameters.append(
        field(
          parameter["name"]?.string ?? "", parameter, place: parameter["in"]?.string ?? "",
          isRequired: parameter["required"]?.bool ?? false))
    }
    let body = try operation.node["requestBody"].map { node throws(OpenAPIError) in
      try document.resolved(node)
    }
    var answers: [Answer] = []
    for (status, node) in operation.node["responses"]?.members ?? [] {
      answers.append(try answer(status, try document.resolved(node), document))
    }
    return OperationEntry(
      operationID: operation.node["operationId"]?.string ?? "", method: operation.method,
      path: operation.path, operationSummary: operation.node["summary"]?.string ?? "",
      operationText: paragraphs(operation.node["description"]) + access(operation),
      hasParameters: !parameters.isEmpty, parameters: parameters, hasBody: body != nil,
      bodyText: paragraphs(body?["description"]), bodies: try bodies(body, document),
      answers: answers)
  }

  private static func answer(
    _ status: String, _ node: Node, _ document: OpenAPI
  ) throws(OpenAPIError) -> Answer {
    var headers: [Field] = []
    for (name, header) in node["headers"]?.members ?? [] {
      let header = try document.resolved(header)
      headers.append(
        field(name, header, place: "header", isRequired: header["required"]?.bool ?? false))
    }
    let links = (node["links"]?.members ?? []).compactMap { $0.node["operationId"]?.string }
    return Answer(
      status: status, answerText: paragraphs(node["description"]), hasHeaders: !headers.isEmpty,
      headers: headers, answerBodies: try bodies(node, document), hasLinks: !links.isEmpty,
      links: listed(links.map { Run(text: $0, isLink: true, target: $0) }, by: ", "))
  }

  private static func bodies(
    _ node: Node?, _ document: OpenAPI
  ) throws(OpenAPIError) -> [Body] {
    var bodies: [Body] = []
    for (mediaType, content) in node?["content"]?.members ?? [] {
      var examples: [Example] = []
      for (name, node) in content["examples"]?.members ?? [] {
        let example = try document.resolved(node)
        guard let value = example["value"] else { continue }
        examples.append(
          Example(
            exampleName: example["summary"]?.string ?? name, exampleText: value.json()))
      }
      bodies.append(
        Body(
          mediaType: mediaType, bodyKind: content["schema"].map(kind) ?? [], examples: examples))
    }
    return bodies
  }

  private static func problem(_ name: String, _ schema: Node) -> ProblemEntry? {
    guard let members = schema["properties"], let type = members["type"]?["const"]?.string else {
      return nil
    }
    return ProblemEntry(
      problemName: name, problemType: type,
      problemTitle: members["title"]?["const"]?.string ?? "",
      problemStatus: members["status"]?["const"]?.scalar?.string ?? "",
      problemText: paragraphs(schema["description"]),
      problemExample: schema["examples"]?.elements.first?.json() ?? "")
  }
}
