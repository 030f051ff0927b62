import Foundation
import Testing

@testable import Jobs

@Suite("Params schema")
struct ParamsSchemaTests {
  struct Params: Codable, Sendable {
    enum Mode: String, Codable { case fast, safe }
    struct Options: Codable, Sendable {
      var level = 3
      var label: String?
    }
    var path = "in"
    var ratio = 0.5
    var count = 7
    var force = false
    var limit: Int?
    var mode = Mode.fast
    var tags: [String] = ["a"]
    var options = Options()
    var extra: [String: Int] = [:]
    var when = Date(timeIntervalSince1970: 0)
    var site: URL?
  }

  private func schema() throws -> ParamsSchema { try ParamsSchema(defaults: Params()) }

  @Test("a default instance gives the members with their kinds and defaults, nil ones included")
  func derived() throws {
    let schema = SchemaBuilder(try schema().json)
    let properties = try #require(schema.properties)
    #expect(properties["path"]?.json == ["type": "string", "default": "in"])
    #expect(properties["ratio"]?.json == ["type": "number", "default": 0.5])
    #expect(properties["count"]?.json == ["type": "integer", "default": 7])
    #expect(properties["force"]?.json == ["type": "boolean", "default": false])
    #expect(properties["limit"]?.json == ["type": ["integer", "null"]])
    #expect(properties["mode"]?.json == ["type": "string", "default": "fast"])
    #expect(properties["site"]?.kinds == [.string, .null])
    #expect(properties["when"]?.kinds == [.string])
    #expect(schema.required == [])
    #expect(properties["tags"]?.items?.json == ["type": "string"])
    #expect(properties["extra"]?.kinds == [.object])
    #expect(properties["extra"]?.properties == nil)
    #expect(properties["options"]?.properties?["level"]?.defaultValue == 3)
    #expect(properties["options"]?.properties?["label"]?.kinds == [.string, .null])
  }

  @Test("what is left out is filled in, at every depth")
  func completion() throws {
    let completed = try schema().complete(["count": 8, "options": ["label": "x"]])
    let params = try completed.decode(as: Params.self)
    #expect(params.count == 8)
    #expect(params.path == "in")
    #expect(params.options.level == 3)
    #expect(params.options.label == "x")
  }

  @Test("an integer is a number, a number no integer")
  func integers() throws {
    #expect(try schema().complete(["ratio": 1]).members?["ratio"] == 1)
    let violation = ParamsViolation(
      pointer: "/count", keyword: "type",
      detail: "the parameter /count must be integer, not number")
    #expect(throws: ParamsError([violation])) { try schema().complete(["count": 1.5]) }
    // As RFC 8259 has it, they are the same.
    #expect(throws: Never.self) { try schema().complete(["count": .number(2)]) }
  }

  @Test("what does not fit is named with its path, and with what would fit")
  func errors() throws {
    let schema = try schema()
    func message(_ params: JSONValue) -> String? {
      do throws(ParamsError) {
        _ = try schema.complete(params)
        return nil
      } catch {
        return error.description
      }
    }
    #expect(message(["path": 1]) == "the parameter /path must be string, not integer")
    #expect(message(["limit": "x"]) == "the parameter /limit must be integer or null, not string")
    #expect(
      message(["options": ["levle": 1]])
        == "the parameter /options/levle is no parameter of this job type; known are label, level")
    #expect(message(["tags": ["a", 2]]) == "the parameter /tags/1 must be string, not integer")
    #expect(message([1]) == "the params must be object, not array")
  }

  @Test("it survives being written and read as JSON Schema")
  func roundTrip() throws {
    let original = try schema()
    let json = try JSONValue(encoding: original)
    #expect(json.members?["type"] == "object")
    #expect(json.members?["additionalProperties"] == false)
    #expect(try json.decode(as: ParamsSchema.self) == original)
  }

  @Test("defaults that are only JSON give a schema as well")
  func configured() throws {
    let schema = ParamsSchema(
      defaults: ["path": "", "level": 9, "any": .null, "list": [], "mixed": [1, "a"]])
    let builder = SchemaBuilder(schema.json)
    #expect(builder["path"].kinds == [.string])
    #expect(builder["any"].kinds == [])
    #expect(builder["list"].items == nil)
    #expect(builder["mixed"].items == nil)
    #expect(
      try schema.complete(["level": 1])
        == ["path": "", "level": 1, "any": .null, "list": [], "mixed": [1, "a"]])
  }

  @Test("defaults that are nested as deeply as they may be take no time", .timeLimit(.minutes(1)))
  func deepDefaults() throws {
    let value = (0..<JSONValue.maxDepth).reduce(1 as JSONValue) { inner, _ in [inner] }
    #expect(try ParamsSchema(defaults: value).complete(value) == value)
  }

  @Test("names of any length make no endless errors")
  func longNames() throws {
    let name = String(repeating: "👩‍👩‍👧‍👦", count: 2_000)
    let error = #expect(throws: ParamsError.self) {
      try schema().complete(["path": "x", "options": .object([name: 1])])
    }
    let text = try #require(error).description
    #expect(text.hasPrefix("the parameter /options/👩‍👩‍👧‍👦"))
    #expect(text.utf8.count < 1_000)
  }
}
