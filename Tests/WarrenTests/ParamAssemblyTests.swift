import Jobs
import Testing

@testable import WarrenCommand

@Suite("Params from the command line")
struct ParamAssemblyTests {
  static let schema = ParamsSchema(
    defaults: [
      "path": "", "levels": 9, "ratio": 0.5, "fast": false, "tags": [],
      "opts": ["name": "", "n": 1],
      "any": .null,
    ] as JSONValue)

  private func params(_ arguments: String...) throws -> JSONValue {
    try ParamAssembly.params(arguments.map { try ParamAssignment($0) }, schema: Self.schema)
  }

  @Test(
    "are what the schema says",
    arguments: [
      ("path=README.md", ["path": "README.md"]), ("path=5", ["path": "5"]), ("path=", ["path": ""]),
      ("path=a=b", ["path": "a=b"]), ("levels=3", ["levels": 3]), ("ratio=1", ["ratio": 1]),
      ("fast=true", ["fast": true]), (#"tags=["a",1]"#, ["tags": ["a", 1]]),
      ("opts.name=x", ["opts": ["name": "x"]]), ("opts.n=2", ["opts": ["n": 2]]),
      (#"opts={"n":2}"#, ["opts": ["n": 2]]), ("any=5", ["any": "5"]),
      ("unknown=5", ["unknown": "5"]), ("levels=1.5", ["levels": 1.5]),
    ] as [(String, JSONValue)])
  func values(argument: String, expected: JSONValue) throws {
    #expect(try params(argument) == expected)
  }

  @Test("go together")
  func several() throws {
    #expect(
      try params("opts.name=x", "opts.n=2", "path=a")
        == ["opts": ["name": "x", "n": 2], "path": "a"])
  }

  @Test("may be optional in the schema")
  func optional() throws {
    let schema = try ParamsSchema(["properties": ["n": ["type": ["integer", "null"]]]])
    #expect(try ParamAssembly.params([ParamAssignment("n=5")], schema: schema) == ["n": 5])
    #expect(try ParamAssembly.params([ParamAssignment("n=null")], schema: schema) == ["n": .null])
  }

  @Test(
    "are refused",
    arguments: [
      (["path"], "a param is given as key=value"),
      (["=x"], "'' is no param's name; a param is given as key=value"),
      (["a..b=x"], "'a..b' is no param's name; a param is given as key=value"),
      (["levels=abc"], "the param levels takes integer, not 'abc'"),
      (["levels="], "the param levels takes integer, not ''"),
      (["tags=[1"], "the param tags takes array, not '[1'"),
      (["path=a", "path=b"], "the param path is given twice"),
      (["path=a", "path.b=c"], "the param path.b lies in one that is given as a whole"),
      (["opts.n=1", "opts={}"], "the param opts is given twice"),
    ])
  func refused(arguments: [String], problem: String) {
    let error = #expect(throws: ParamError.self) {
      try ParamAssembly.params(arguments.map { try ParamAssignment($0) }, schema: Self.schema)
    }
    #expect(error?.description == problem)
  }
}
