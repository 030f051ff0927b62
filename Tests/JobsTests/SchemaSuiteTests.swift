import Foundation
import Testing

@testable import Jobs

/// The official JSON-Schema-Test-Suite, draft 2020-12. What is otherwise here is named, each with its reason; nothing is left out.
@Suite("The JSON Schema test suite")
struct SchemaSuiteTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "JSONSchemaTestSuite")

  static let files: [String] = {
    ["", "optional", "format"].flatMap { part in
      let folder = part.isEmpty ? Self.folder : Self.folder.appending(path: part)
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path())) ?? []
      return names.filter { $0.hasSuffix(".json") }.map {
        (part.isEmpty ? "" : part + "/") + $0.dropLast(".json".count)
      }
    }.sorted()
  }()

  /// Schemas with a keyword that is not supported, or a default that does not fit: refused when a type is registered. By file and
  /// description, with the keyword that the error names.
  static let refused: [String: String] = [
    "not|collect annotations inside a 'not', even if collection is disabled":
      "unevaluatedProperties",
    "defs|validate definition against metaschema": "$ref",
    "ref|remote ref, containing refs itself": "$ref",
    "ref|Recursive references between schemas": "$id",
    "ref|ref creates new scope when adjacent to keywords": "unevaluatedProperties",
    "ref|refs with relative uris and defs": "$id",
    "ref|relative refs with absolute uris and defs": "$id",
    "ref|$id must be resolved against nearest parent, not just immediate parent": "$id",
    "ref|order of evaluation: $id and $ref": "$id",
    "ref|order of evaluation: $id and $anchor and $ref": "$anchor",
    "ref|order of evaluation: $id and $ref on nested schema": "$id",
    "ref|simple URN base URI with $ref via the URN": "$id",
    "ref|simple URN base URI with JSON pointer": "$id",
    "ref|URN base URI with NSS": "$id",
    "ref|URN base URI with r-component": "$id",
    "ref|URN base URI with q-component": "$id",
    "ref|URN base URI with URN and JSON pointer ref": "$id",
    "ref|URN base URI with URN and anchor ref": "$anchor",
    "ref|URN ref with nested pointer ref": "$id",
    "ref|ref to if": "$id",
    "ref|ref to then": "$id",
    "ref|ref to else": "$id",
    "ref|ref with absolute-path-reference": "$id",
    "ref|$id with file URI still resolves pointers - *nix": "$id",
    "ref|$id with file URI still resolves pointers - windows": "$id",
    // The specification lets a default be what the schema refuses. Here it stands for what a job leaves out.
    "default|invalid string value for default": "default",
    "default|invalid type for default": "default",
    "default|the default keyword does not do anything if the property is missing": "default",
  ]

  /// Valid where the suite says the opposite, or the other way round. By file, description of the group, description of the test.
  static let different: Set<String> = {
    // The suite has formats as notes by default; here these are asserted, as its `optional/format` has it.
    let asserted = [
      "email", "ipv4", "ipv6", "hostname", "date", "date-time", "time", "uri", "uri-reference",
      "uuid",
    ]
    var names = Set(
      asserted.map {
        "format|\($0) format|invalid \($0) string is only an annotation by default"
      })
    // Of a name in Punycode only the form is looked at: IDNA's tables are not Foundation's.
    names.formUnion(
      [
        "contains illegal char U+302E Hangul single dot tone mark",
        "Begins with a Spacing Combining Mark", "Begins with a Nonspacing Mark",
        "Begins with an Enclosing Mark",
        "Exceptions that are DISALLOWED, right-to-left chars",
        "Exceptions that are DISALLOWED, left-to-right chars",
        "MIDDLE DOT with no preceding 'l'", "MIDDLE DOT with nothing preceding",
        "MIDDLE DOT with no following 'l'", "MIDDLE DOT with nothing following",
        "Greek KERAIA not followed by Greek", "Greek KERAIA not followed by anything",
        "Hebrew GERESH not preceded by Hebrew", "Hebrew GERESH not preceded by anything",
        "Hebrew GERSHAYIM not preceded by Hebrew", "Hebrew GERSHAYIM not preceded by anything",
        "KATAKANA MIDDLE DOT with no Hiragana, Katakana, or Han",
        "KATAKANA MIDDLE DOT with no other characters",
        "Arabic-Indic digits mixed with Extended Arabic-Indic digits",
        "ZERO WIDTH JOINER not preceded by Virama", "ZERO WIDTH JOINER not preceded by anything",
        #"contains "--" in the 3rd and 4th position"#,
      ].map { "format/hostname|validation of A-label (punycode) host names|\($0)" })
    return names
  }()

  @Test("each of its cases comes out as it says", arguments: files)
  func cases(file: String) throws {
    let text = try Data(contentsOf: Self.folder.appending(path: file + ".json"))
    guard case .array(let groups) = try JSONValue(parsing: text) else { throw Malformed() }
    #expect(!groups.isEmpty)
    for group in groups {
      guard let members = group.members, let schema = members["schema"],
        case .string(let name)? = members["description"],
        case .array(let tests)? = members["tests"]
      else { throw Malformed() }
      let key = "\(file)|\(name)"
      if let keyword = Self.refused[key] {
        let error = #expect(throws: SchemaError.self, "\(key)") { try ParamsSchema(schema) }
        #expect(
          error?.problems.contains { $0.keyword == keyword } == true,
          "\(key): \(error?.description ?? "")")
        continue
      }
      let compiled: ParamsSchema
      do {
        compiled = try ParamsSchema(schema)
      } catch {
        Issue.record("\(key): \(error)")
        continue
      }
      for test in tests { try check(compiled, test, key) }
    }
  }

  private func check(_ schema: ParamsSchema, _ test: JSONValue, _ key: String) throws {
    guard let members = test.members, let data = members["data"],
      case .string(let name)? = members["description"], case .bool(let isValid)? = members["valid"]
    else { throw Malformed() }
    let full = "\(key)|\(name)"
    let isExpected = Self.different.contains(full) ? !isValid : isValid
    do throws(ParamsError) {
      try schema.check(data)
      #expect(isExpected, "\(full) was taken")
    } catch {
      #expect(!isExpected, "\(full): \(error)")
      #expect(!error.violations.isEmpty)
      for violation in error.violations { #expect(!violation.keyword.isEmpty, "\(full)") }
    }
  }

  @Test("what is named as otherwise is there")
  func named() throws {
    var groups: Set<String> = []
    var tests: Set<String> = []
    for file in Self.files {
      let text = try Data(contentsOf: Self.folder.appending(path: file + ".json"))
      guard case .array(let all) = try JSONValue(parsing: text) else { throw Malformed() }
      for case .object(let group) in all {
        guard case .string(let name)? = group["description"],
          case .array(let cases)? = group["tests"]
        else { throw Malformed() }
        groups.insert("\(file)|\(name)")
        for case .object(let test) in cases {
          if case .string(let inner)? = test["description"] {
            tests.insert("\(file)|\(name)|\(inner)")
          }
        }
      }
    }
    #expect(Set(Self.refused.keys).subtracting(groups) == [])
    #expect(Self.different.subtracting(tests) == [])
    #expect(Self.files.count > 50)
  }

  struct Malformed: Error {}
}
