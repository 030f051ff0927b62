import Foundation
import Testing

@testable import Jobs

/// What a schema that is given says: of params that do not fit, of what is left out, and of itself.
@Suite("Schemas that are given")
struct SchemaTests {
  private func violations(_ schema: JSONValue, _ params: JSONValue) throws -> [ParamsViolation] {
    let schema = try ParamsSchema(schema)
    do throws(ParamsError) {
      _ = try schema.complete(params)
      return []
    } catch {
      return error.violations
    }
  }

  private func told(_ schema: JSONValue, _ params: JSONValue) throws -> [String] {
    try violations(schema, params).map(\.detail)
  }

  // MARK: What does not fit

  @Test("all that does not fit is told, in order, with its place, its keyword and what would fit")
  func all() throws {
    let schema: JSONValue = [
      "type": "object", "required": ["path", "mode"],
      "properties": [
        "path": ["type": "string"], "mode": ["enum": ["fast", "safe"]],
        "size": ["type": "object", "properties": ["width": ["type": "integer", "minimum": 1]]],
        "tags": ["type": "array", "items": ["type": "string"], "maxItems": 2],
      ],
      "additionalProperties": false,
    ]
    let found = try violations(
      schema,
      ["pth": "/x", "mode": "slow", "size": ["width": 0], "tags": ["a", 2, .null], "extra": 1])
    #expect(
      found.map { "\($0.pointer) \($0.keyword): \($0.detail)" } == [
        "/extra additionalProperties: the parameter /extra is no parameter of this job type; known are mode, path, size, tags",
        "/pth additionalProperties: the parameter /pth is no parameter of this job type; known are mode, path, size, tags",
        #"/mode enum: the parameter /mode must be one of "fast", "safe""#,
        "/path required: the parameter /path is missing; this parameter (string) has to be given",
        "/size/width minimum: the parameter /size/width must be at least 1, not 0",
        "/tags maxItems: the parameter /tags must have at most 2 elements, not 3",
        "/tags/1 type: the parameter /tags/1 must be string, not integer",
        "/tags/2 type: the parameter /tags/2 must be string, not null",
      ])
  }

  @Test("alternatives within alternatives, and long names, cost few messages and short ones")
  func nestedAlternatives() throws {
    let nested = (0..<6).reduce(["type": "string"] as JSONValue) { schema, _ in
      ["anyOf": [schema, schema, schema]]
    }
    let schema = try ParamsSchema(["additionalProperties": nested])
    let name = String(repeating: "~x", count: 500_000)
    let value = JSONValue.object([name: 1])
    var check = SchemaCheck(schema.program, of: value)
    let error = #expect(throws: ParamsError.self) { try check.run(value) }
    let violation = try #require(error?.violations.first)
    #expect(violation.keyword == "anyOf")
    #expect(violation.detail.contains("must fit one of the 3 alternatives of `anyOf`"))
    #expect(violation.pointer.utf8.count <= 1_003)
    #expect(violation.pointer.hasPrefix("/~0x~0x"))
    // One for each level of three reasons, and all together.
    #expect(check.messages == 3 * 6 + 1)
  }

  @Test("places are JSON pointers, whatever the names")
  func pointers() throws {
    let schema: JSONValue = [
      "properties": ["a/b~c": ["properties": ["": ["items": ["type": "null"]]]]]
    ]
    let found = try violations(schema, ["a/b~c": ["": [.null, 1]]])
    #expect(found.map(\.pointer) == ["/a~1b~0c//1"])
    #expect(JSONPointer.path("/a~1b~0c//1") == ["a/b~c", "", "1"])
  }

  @Test("20 are told, and how many there are besides")
  func bounded() throws {
    let schema = try ParamsSchema(["items": ["type": "string"]])
    let error = #expect(throws: ParamsError.self) {
      try schema.check(.array((0..<50).map { .integer($0) }))
    }
    #expect(error?.violations.count == 20)
    #expect(error?.more == 30)
    let text = try #require(error).description
    #expect(text.utf8.count < 1_000)
    #expect(text.hasPrefix("the parameter /0 must be string, not integer; the parameter /1 must"))
    #expect(text.hasSuffix(" more"))
  }

  @Test(
    "each keyword says what would be right",
    arguments: [
      (["const": "x"], "y", #"the params must be "x""#),
      (["minLength": 2], "👩‍👩‍👧", ""),
      (["maxLength": 1], "ab", "the params must have at most 1 character, not 2"),
      (["minLength": 1], "", "the params must have at least 1 character, not 0"),
      (["exclusiveMinimum": 1], 1, "the params must be more than 1, not 1"),
      (["maximum": 1.5], 2, "the params must be at most 1.5, not 2"),
      (["exclusiveMaximum": 2], 2, "the params must be less than 2, not 2"),
      (["multipleOf": 0.1], 0.35, "the params must be a multiple of 0.1, not 0.35"),
      (["multipleOf": 0.1], 0.3, ""),
      (["minItems": 1], [], "the params must have at least 1 element, not 0"),
      (
        ["uniqueItems": true], [1, 2, 1.0],
        "the params must not have an element twice, as at 0 and 2"
      ),
      (
        ["contains": ["type": "null"]], [1],
        "the params must have at least 1 element of the kind that `contains` describes, not 0"
      ),
      (
        ["contains": true, "maxContains": 1], [1, 2],
        "the params must have at most 1 element of the kind that `contains` describes, not 2"
      ),
      (["minProperties": 1], [:], "the params must have at least 1 member, not 0"),
      (
        ["dependentRequired": ["a": ["b"]]], ["a": 1],
        "the parameter /b is missing; it has to be given where a is"
      ),
      (
        ["propertyNames": ["maxLength": 1]], ["ab": 1],
        "the name of the parameter /ab must have at most 1 character, not 2"
      ),
      (
        ["anyOf": [["type": "string"], ["type": "integer", "minimum": 3]]], 2,
        "the params must fit one of the 2 alternatives of `anyOf`, and fits none: the params must be string, not integer; or the params must be at least 3, not 2"
      ),
      (
        ["oneOf": [["type": "integer"], ["minimum": 1], true]], 2,
        "the params must fit exactly one of the 3 alternatives of `oneOf`, and fits several: no. 1 and no. 2"
      ),
      (
        ["not": ["type": "null"]], .null, "the params must not be what the schema's `not` describes"
      ),
      (["properties": ["a": false]], ["a": 1], "the parameter /a must not be given"),
      (
        ["if": ["required": ["a"]], "then": ["required": ["b"]]], ["a": 1],
        "the parameter /b is missing; this parameter has to be given"
      ),
      (["pattern": "^a+$"], "ab", "the params must match the pattern ^a+$"),
      (["format": "ipv4"], "1.2.3", "the params is no text of the format ipv4"),
    ] as [(JSONValue, JSONValue, String)])
  func messages(schema: JSONValue, params: JSONValue, message: String) throws {
    #expect(try told(schema, params) == (message.isEmpty ? [] : [message]))
  }

  @Test("numbers are compared and divided as they are written")
  func exactness() throws {
    let large: Int64 = 9_007_199_254_740_993
    #expect(try told(["maximum": 9_007_199_254_740_992], .integer(large)).count == 1)
    #expect(try told(["const": .number(9_007_199_254_740_992)], .integer(large)).count == 1)
    #expect(try told(["multipleOf": 0.01], 19.99).isEmpty)
    #expect(try told(["multipleOf": 1e-8], 12_345_678.12345678).isEmpty)
    #expect(try told(["multipleOf": 7], .number(1e300)).count == 1)
    #expect(try told(["type": "integer"], .number(1e300)).isEmpty)
    #expect(try told(["multipleOf": 3], .integer(.min + 2)).isEmpty)
  }

  // MARK: What is left out

  @Test("what is left out is filled in where the schema always applies, and nowhere else")
  func defaults() throws {
    let schema = try ParamsSchema([
      "properties": [
        "a": ["default": 1], "in": ["$ref": "#/$defs/inner"],
        "list": ["items": ["$ref": "#/$defs/inner"]],
      ],
      "allOf": [["properties": ["b": ["default": 2]]]],
      "anyOf": [["properties": ["c": ["default": 3]]]],
      "additionalProperties": ["properties": ["e": ["default": 5]]],
      "$defs": ["inner": ["properties": ["d": ["default": 4]]]],
    ])
    #expect(try schema.complete([:]) == ["a": 1, "b": 2])
    #expect(
      try schema.complete(["a": 0, "in": [:], "list": [[:], ["d": 0]], "more": [:]])
        == ["a": 0, "b": 2, "in": ["d": 4], "list": [["d": 4], ["d": 0]], "more": ["e": 5]])
  }

  @Test(
    "the defaults of the params as a whole hold at every depth, and a job that has none is checked with them"
  )
  func wholeDefaults() throws {
    let schema = try ParamsSchema([
      "type": "object", "required": ["path", "level"], "default": ["level": 3, "o": ["x": 1]],
      "properties": ["path": ["type": "string"], "level": ["type": "integer"]],
    ])
    #expect(try schema.complete(["path": "a"]) == ["path": "a", "level": 3, "o": ["x": 1]])
    #expect(
      try schema.complete(["path": "a", "o": ["y": 2]])
        == ["path": "a", "level": 3, "o": ["x": 1, "y": 2]])
    #expect(schema.defaults == ["level": 3, "o": ["x": 1]])
    #expect(schema.outline == ["path": .null, "level": 3, "o": ["x": 1]])
    #expect(throws: ParamsError.self) { try schema.complete([:]) }
  }

  @Test("a schema that contains itself fills in what is there, and comes to an end")
  func recursiveDefaults() throws {
    let schema = try ParamsSchema([
      "properties": ["child": ["$ref": "#", "default": [:]], "n": ["default": 1]]
    ])
    #expect(try schema.complete([:]) == ["child": [:], "n": 1])
    #expect(
      try schema.complete(["child": ["child": [:]]])
        == ["child": ["child": ["child": [:], "n": 1], "n": 1], "n": 1])
  }

  // MARK: What is refused

  @Test(
    "a schema that is not supported, or none, is refused with its place and its keyword",
    arguments: [
      (["unevaluatedProperties": false], "/unevaluatedProperties", "unevaluatedProperties"),
      (["properties": ["a": ["$anchor": "x"]]], "/properties/a/$anchor", "$anchor"),
      (["$id": "http://x/"], "/$id", "$id"), (["$dynamicRef": "#x"], "/$dynamicRef", "$dynamicRef"),
      (["minLenght": 1], "/minLenght", "minLenght"), (["minLength": -1], "/minLength", "minLength"),
      (["minLength": 1.5], "/minLength", "minLength"), (["type": "text"], "/type", "type"),
      (["type": ["string", "string"]], "/type", "type"), (["type": []], "/type", "type"),
      (["required": ["a", "a"]], "/required", "required"),
      (["required": true], "/required", "required"),
      (["multipleOf": 0], "/multipleOf", "multipleOf"), (["anyOf": []], "/anyOf", "anyOf"),
      (["items": [true]], "/items", nil), (["properties": ["a": 1]], "/properties/a", nil),
      (["enum": "a"], "/enum", "enum"), (["uniqueItems": 1], "/uniqueItems", "uniqueItems"),
      (["format": 1], "/format", "format"), (["writeOnly": "yes"], "/writeOnly", "writeOnly"),
      (["$ref": "#/$defs/none"], "/$ref", "$ref"), (["$ref": "http://x/y"], "/$ref", "$ref"),
      (["$ref": "#/properties", "properties": [:]], "/$ref", "$ref"),
      (["$ref": "#"], "/$ref", "$ref"),
      (
        ["allOf": [["$ref": "#/$defs/a"]], "$defs": ["a": ["not": ["$ref": "#"]]]],
        "/$defs/a/not/$ref", "$ref"
      ),
      (["$schema": "http://json-schema.org/draft-07/schema#"], "/$schema", "$schema"),
      (
        ["properties": ["a": ["default": 1, "type": "string"]]], "/properties/a/default", "default"
      ),
      (["default": ["a": 1], "properties": ["a": ["type": "string"]]], "/default", "default"),
      (["pattern": "(?=a)"], "/pattern", "pattern"), (["pattern": "(a)\\1"], "/pattern", "pattern"),
      (["patternProperties": ["(": true]], "/patternProperties/(", "pattern"),
      (["dependentRequired": ["a": "b"]], "/dependentRequired/a", "dependentRequired"),
    ] as [(JSONValue, String, String?)])
  func refused(schema: JSONValue, pointer: String, keyword: String?) throws {
    let error = #expect(throws: SchemaError.self) { try ParamsSchema(schema) }
    let problem = try #require(error?.problems.first)
    #expect(problem.pointer == pointer, "\(problem)")
    #expect(problem.keyword == keyword, "\(problem)")
    #expect(error?.problems.count == 1, "\(String(describing: error))")
  }

  @Test("a keyword that is not supported is answered with those that are; all problems are told")
  func supported() throws {
    let error = #expect(throws: SchemaError.self) {
      try ParamsSchema(["contentSchema": true, "properties": ["a": ["maxItems": "x"]]])
    }
    #expect(error?.problems.map(\.pointer) == ["/contentSchema", "/properties/a/maxItems"])
    let text = try #require(error?.problems.first).description
    #expect(text.contains("supported are $comment, $defs, $ref,"))
    #expect(text.contains("uniqueItems, writeOnly"))
    #expect(try #require(error).description.utf8.count < 1_024)
  }

  // MARK: What it costs

  @Test(
    "schemas that apply one another over and over are given up, in time", .timeLimit(.minutes(1)))
  func explosions() throws {
    var defs: [String: JSONValue] = ["x30": true]
    for level in 0..<30 {
      let next: JSONValue = ["$ref": .string("#/$defs/x\(level + 1)")]
      defs["x\(level)"] = ["allOf": [next, next]]
    }
    let doubling = try ParamsSchema(["$ref": "#/$defs/x0", "$defs": .object(defs)])
    let error = #expect(throws: ParamsError.self) { try doubling.complete([:]) }
    #expect(error?.violations.map(\.keyword) == ["limit"])

    let twice = try ParamsSchema([
      "anyOf": [
        ["properties": ["a": ["$ref": "#"]], "required": ["b"]],
        ["properties": ["a": ["$ref": "#"]], "required": ["c"]], ["not": ["required": ["a"]]],
      ]
    ])
    let deep = (0..<90).reduce([:] as JSONValue) { inner, _ in ["a": inner] }
    #expect(throws: ParamsError.self) { try twice.check(deep) }
  }

  @Test(
    "does not take a pattern that repeats without end, or sets without end",
    arguments: [
      "(?:(?:(?:(?:){1000}){1000}){1000}){1000}",
      "(?:a(?:)(?:)(?:)(?:)(?:)){1000}(?:(?:)){1000}{9}",
      "[" + String(repeating: "aceg", count: 20) + "]{1000}",
    ])
  func patternBounds(_ pattern: String) {
    #expect(throws: SchemaError.self) { try ParamsSchema(["pattern": .string(pattern)]) }
  }

  @Test("does not let defaults make much of little")
  func defaultsBound() throws {
    let schema = try ParamsSchema([
      "properties": [
        "files": [
          "items": [
            "properties": ["mode": ["default": .string(String(repeating: "x", count: 10_000))]]
          ]
        ]
      ]
    ])
    let few = try schema.complete(["files": [[:], [:]]])
    #expect(few.text.utf8.count > 20_000)
    let error = #expect(throws: ParamsError.self) {
      try schema.complete(["files": .array(Array(repeating: [:], count: 10_000))])
    }
    #expect(error?.violations.map(\.keyword) == ["limit"])
  }

  @Test("chains of schemas are bounded, and so is how deep they are applied")
  func chains() throws {
    func chain(_ count: Int) -> JSONValue {
      var defs: [String: JSONValue] = ["x\(count)": ["items": ["$ref": "#"]]]
      for level in 0..<count { defs["x\(level)"] = ["$ref": .string("#/$defs/x\(level + 1)")] }
      return ["$ref": "#/$defs/x0", "$defs": .object(defs)]
    }
    let schema = try ParamsSchema(chain(60))
    #expect(throws: Never.self) { try schema.check([[]]) }
    let deep = (0..<JSONValue.maxDepth).reduce(1 as JSONValue) { inner, _ in [inner] }
    let error = #expect(throws: ParamsError.self) { try schema.check(deep) }
    #expect(error?.violations.first?.keyword == "limit")
    #expect(throws: SchemaError.self) { try ParamsSchema(chain(100)) }
    #expect(throws: SchemaError.self) { try ParamsSchema(chain(15_000)) }
    // A chain within the schema itself, and plain recursion, as deep as params may be.
    let plain = try ParamsSchema(["items": ["$ref": "#"]])
    #expect(throws: Never.self) { try plain.check(deep) }
    let nested = (0..<250).reduce(true as JSONValue) { inner, _ in ["items": inner] }
    #expect(throws: SchemaError.self) { try ParamsSchema(nested) }
  }

  @Test("patterns take time in proportion to the text", .timeLimit(.minutes(1)))
  func patternTime() throws {
    let text = String(repeating: "a", count: 50_000)
    for pattern in ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(a*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$"] {
      let schema = try ParamsSchema(["pattern": .string(pattern)])
      _ = try? schema.check(.string(text + "!"))
    }
    #expect(throws: SchemaError.self) { try ParamsSchema(["pattern": "((a{1000}){1000}){1000}"]) }
  }

  @Test("many elements are compared in time", .timeLimit(.minutes(1)))
  func manyElements() throws {
    let elements = JSONValue.array((0..<50_000).map { .integer($0) })
    #expect(throws: Never.self) { try ParamsSchema(["uniqueItems": true]).check(elements) }
    #expect(throws: Never.self) {
      try ParamsSchema(["items": ["enum": elements]]).check(elements)
    }
  }

  // MARK: Patterns

  @Test(
    "patterns match as ECMA-262 has it",
    arguments: [
      ("a.c", "xabcx", true), ("a.c", "a\nc", false), ("^a$", "a\n", false), ("", "x", true),
      ("^(ab|cd)*$", "abcdab", true), ("^(ab|cd)*$", "abc", false), ("^a{2,3}$", "aa", true),
      ("^a{2,3}$", "aaaa", false), ("^a{2,}$", "aaaa", true), ("^a{2}$", "aaa", false),
      ("^a??b+?$", "bb", true), ("^[a-c-]+$", "a-c", true), ("^[^\\d\\s]+$", "ab1", false),
      ("^[\\w.+-]+@[\\w-]+$", "a.b+c@d-e", true), ("\\bcat\\b", "a cat!", true),
      ("\\bcat\\b", "concat", false), ("\\Bcat", "concat", true),
      ("^\\u0061\\x62\\u{63}$", "abc", true),
      ("^\\p{Lu}\\P{Lu}$", "Äb", true), ("^[\\p{L}\\d]+$", "ä1", true),
      ("^(?:a|b)(?<n>c)$", "bc", true),
      ("^\\/\\.\\-$", "/.-", true), ("^.$", "😀", true), ("^(a*)*$", "", true), ("x|^$", "", true),
      ("^[]$", "a", false), ("^[^]$", "\n", true), ("^\\ud83d\\udc32$", "🐲", true),
    ])
  func patterns(pattern: String, text: String, isMatch: Bool) throws {
    var visits = 100_000
    #expect(try SchemaPattern(pattern).matches(text, visits: &visits) == isMatch)
  }

  @Test(
    "patterns that need backtracking, or are none, are refused",
    arguments: [
      "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(a)\\1", "\\k<n>", "(", ")", "[", "a{", "a{2", "*a",
      "a**",
      "\\", "\\q", "\\x1", "\\u12", "\\p{Nope}", "[z-a]", "a{3,2}", "^*", "]", "(?a)", "\\Z",
      "a{1001}",
    ])
  func refusedPatterns(pattern: String) {
    #expect(throws: SchemaPatternError.self, "\(pattern)") { try SchemaPattern(pattern) }
  }

  // MARK: What is announced

  @Test("a schema is shown as it was given, writeOnly included")
  func roundTrip() throws {
    let json: JSONValue = [
      "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "t", "$comment": "c",
      "type": ["object"], "properties": ["token": ["type": "string", "writeOnly": true]],
      "examples": [1], "deprecated": false, "readOnly": false, "format": "of-our-own",
    ]
    let schema = try ParamsSchema(json)
    #expect(try JSONValue(encoding: schema) == json)
    #expect(try json.decode(as: ParamsSchema.self) == schema)
  }

  @Test("an announced type whose schema is refused does not cost its worker the others")
  func announcements() throws {
    let good = try JobParamsTests.Everything.describe(callbacks: [])
    let announcement = WorkerAnnouncement(
      worker: WorkerID(rawValue: "w"), host: "h", processID: 1,
      startedAt: Timestamp(milliseconds: 0),
      queues: [], groups: [], types: [good, good])
    var json = try JSONValue(encoding: announcement).members ?? [:]
    guard case .array(var types)? = json["types"], var bad = types[1].members else {
      Issue.record("no types")
      return
    }
    bad["type_id"] = "a:bad"
    bad["params_schema"] = ["properties": ["x": ["$dynamicRef": "#"]]]
    types[1] = .object(bad)
    json["types"] = .array(types)
    let read = try JSONValue.object(json).decode(as: WorkerAnnouncement.self)
    #expect(read.types == [good])
    #expect(read.refusedTypes.map(\.id.description) == ["a:bad"])
    #expect(read.refusedTypes.first?.reason.problems.first?.pointer == "/properties/x/$dynamicRef")
    // What else is wrong with a type is as wrong as ever.
    bad["params_schema"] = [:]
    bad["timeout_sec"] = -1
    types[1] = .object(bad)
    json["types"] = .array(types)
    #expect(throws: JSONError.self) {
      try JSONValue.object(json).decode(as: WorkerAnnouncement.self)
    }
  }
}
