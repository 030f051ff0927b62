import Jobs
import Testing

@testable import JobWorker

@Suite struct CommandTemplateTests {
  private func render(_ command: [String], _ params: JSONValue) throws -> [String] {
    try CommandTemplate(command).render(params)
  }

  @Test func valuesStandAloneAndInsideArguments() throws {
    let params: JSONValue = ["path": "a b.txt", "level": 9, "opts": ["mode": "x"]]
    #expect(
      try render(["tool", "{path}", "--in={path}", "-{level}{opts.mode}", "{opts.mode}"], params)
        == ["tool", "a b.txt", "--in=a b.txt", "-9x", "x"])
  }

  @Test(arguments: [
    ("{{path}}", "{path}"), ("{{{path}}}", "{v}"), ("a}}b{{c", "a}b{c"), ("", ""),
    ("{{}}", "{}"), ("{path}}}", "v}"),
  ])
  func doubledBracesAreLiteral(argument: String, rendered: String) throws {
    #expect(try render(["tool", argument], ["path": "v"]) == ["tool", rendered])
  }

  @Test func valuesAreNeverReadAsTemplates() throws {
    #expect(
      try render(["tool", "{a}{b}"], ["a": "{b}", "b": "$(id) '\"\\ {{"])
        == ["tool", "{b}$(id) '\"\\ {{"])
  }

  @Test func numbersAndBooleansHaveTheirJSONSpelling() throws {
    let params: JSONValue = [
      "a": 3, "b": 1.5, "c": true, "d": -9_223_372_036_854_775_808, "e": 0.1,
    ]
    #expect(
      try render(["tool", "{a}", "{b}", "{c}", "{d}", "{e}"], params)
        == ["tool", "3", "1.5", "true", "-9223372036854775808", "0.1"])
  }

  @Test func anArrayAloneBecomesAsManyArguments() throws {
    let params: JSONValue = ["files": ["a b", 2, false], "none": []]
    #expect(
      try render(["tool", "-x", "{files}", "{none}", "--"], params)
        == ["tool", "-x", "a b", "2", "false", "--"])
  }

  @Test func unfitValuesAreRefusedByName() throws {
    #expect(throws: CommandTemplateError.missing("p")) { try render(["t", "{p}"], [:]) }
    #expect(throws: CommandTemplateError.missing("p.q")) { try render(["t", "{p.q}"], ["p": 1]) }
    #expect(throws: CommandTemplateError.missing("p")) { try render(["t", "{p}"], "text") }
    #expect(throws: CommandTemplateError.unfit("p", .null)) {
      try render(["t", "{p}"], ["p": .null])
    }
    #expect(throws: CommandTemplateError.unfit("p", .object)) {
      try render(["t", "{p}"], ["p": [:]])
    }
    #expect(throws: CommandTemplateError.unfit("p", .array)) {
      try render(["t", "--x={p}"], ["p": ["a"]])
    }
    #expect(throws: CommandTemplateError.unfit("p", .null)) {
      try render(["t", "{p}"], ["p": ["a", .null]])
    }
    #expect(throws: CommandTemplateError.nulInValue("p")) {
      try render(["t", "{p}"], ["p": "a\0b"])
    }
    #expect(throws: CommandTemplateError.nulInValue("p")) {
      try render(["t", "{p}"], ["p": ["a\0b"]])
    }
  }

  @Test(arguments: [
    ([], CommandTemplateError.noProgram),
    (["", "x"], .noProgram),
    (["{tool}"], .placeholderInProgram("tool")),
    (["bin/{tool}", "x"], .placeholderInProgram("tool")),
    (["t", "a{b"], .unmatchedBrace("{", argument: "a{b")),
    (["t", "a}b"], .unmatchedBrace("}", argument: "a}b")),
    (["t", "{}"], .notAPlaceholder("", argument: "{}")),
    (["t", "{print $1}"], .notAPlaceholder("print $1", argument: "{print $1}")),
    (["t", "{a..b}"], .notAPlaceholder("a..b", argument: "{a..b}")),
    (["t", "{.a}"], .notAPlaceholder(".a", argument: "{.a}")),
    (["t", "x\0"], .nulInArgument("x\0")),
  ])
  func badTemplatesAreRefused(command: [String], error: CommandTemplateError) {
    #expect(throws: error) { try CommandTemplate(command) }
  }

  @Test func placeholdersAreListedOnceInOrder() throws {
    let template = try CommandTemplate(["t", "{b}{a}", "--x={b}", "{o.p}", "{{c}}"])
    #expect(template.placeholders == ["b", "a", "o.p"])
    #expect(template.unknownPlaceholders(in: ["a": 1, "o": [:]]) == ["b", "o.p"])
    #expect(template.unknownPlaceholders(in: ["a": .null, "b": .null, "o": ["p": .null]]).isEmpty)
  }
}
