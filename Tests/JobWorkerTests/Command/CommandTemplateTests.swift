import Jobs
import Testing

@testable import JobWorker

@Suite struct CommandTemplateTests {
  private func render(_ command: [String], _ params: JSONValue) throws -> [String] {
    try CommandTemplate(command, params: params).render(params)
  }

  @Test func valuesStandAloneAndInsideArguments() throws {
    let params: JSONValue = ["path": "a b.txt", "level": 9, "opts": ["mode": "x"]]
    #expect(
      try render(["tool", "{path}", "--in={path}", "-{level}{opts.mode}", "{opts.mode}"], params)
        == ["tool", "a b.txt", "--in=a b.txt", "-9x", "x"])
  }

  @Test(arguments: [
    ("{{path}}", "{path}"), ("{{{path}}}", "{v}"), ("{{{{path}}}}", "{{path}}"),
    ("{path}}}", "v}}"),
    ("{{path}", "{v"), ("{{opts.mode}}", "{opts.mode}"),
  ])
  func doubledBracesRoundANameAreLiteral(argument: String, rendered: String) throws {
    #expect(
      try render(["tool", argument], ["path": "v", "opts": ["mode": "x"]]) == ["tool", rendered])
  }

  @Test(arguments: [
    #"{"a": {"b": 1}}"#, #"{"a":{"b":[{}]}}"#, "{print $1}", "awk '{ print $NF }'", "{}", "{{}}",
    "", "{",
    "}", "a{b", "a}b", "a}}b{{c", "{a,b}", "{1..3}", "{{.State.Status}}", "{{ path }}", "${path}",
    "$${path}", "${path:-x}", "f() { echo; }", "{other}", "{{other}}", "{path.deeper}", "{ path }",
    "{a..b}",
    "{.a}", "-f{", #"echo "{$path}""#,
  ])
  func otherBracesAreLeftAlone(argument: String) throws {
    #expect(try render(["tool", argument], ["path": "v"]) == ["tool", argument])
    #expect(try render([argument.isEmpty ? "tool" : argument], ["path": "v"]).count == 1)
  }

  @Test func aScriptAndJSONAreWrittenAsTheyAre() throws {
    let script = #"for f in {a,b}; do echo "{\"f\": {\"n\": \"${f}\"}}" "$1"; done"#
    #expect(
      try render(["sh", "-c", script, "sh", "{path}", #"{"in":{"path":"{path}"}}"#], ["path": "v"])
        == ["sh", "-c", script, "sh", "v", #"{"in":{"path":"v"}}"#])
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
    let declared = try CommandTemplate(["t", "{p}", "{q.r}"], params: ["p": 1, "q": ["r": 1]])
    #expect(throws: CommandTemplateError.missing("p")) { try declared.render([:]) }
    #expect(throws: CommandTemplateError.missing("q.r")) { try declared.render(["p": 1, "q": 1]) }
    #expect(throws: CommandTemplateError.missing("p")) { try declared.render("text") }
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
    (["t", "x\0"], .nulInArgument("x\0")),
  ])
  func badTemplatesAreRefused(command: [String], error: CommandTemplateError) {
    #expect(throws: error) { try CommandTemplate(command, params: ["tool": "x"]) }
  }

  @Test func namesAreListedOnceInOrder() throws {
    let template = try CommandTemplate(
      ["t", "{b}{a}", "--x={b}", "{o.p}", "{{c}}", "{c}", "{d.e} {c} ${f} {x y}"],
      params: ["a": .null, "b": 1, "o": ["p": .null]])
    #expect(template.placeholders == ["b", "a", "o.p"])
    #expect(template.undeclared == ["c", "d.e"])
  }
}
