import Testing

@testable import Jobs

@Suite("JSON values")
struct JSONValueTests {
  @Test(
    "texts survive being read and written",
    arguments: [
      "null", "true", "0", "-9223372036854775808", "9223372036854775807", "1.5", #""a/b\n\"é""#,
      "[]", "{}", #"{"a":[1,{"b":null}],"c":""}"#,
    ])
  func roundTrip(text: String) throws {
    #expect(try JSONValue(parsing: text.utf8).text == text)
  }

  @Test("equal objects give equal texts, whatever the order of their members")
  func canonical() throws {
    let first = try JSONValue(parsing: #"{"b":1,"a":2}"#.utf8)
    let second = try JSONValue(parsing: #"{ "a": 2, "b": 1 }"#.utf8)
    #expect(first.text == second.text)
  }

  @Test("what is no JSON is refused", arguments: ["", "{", "nul", "{\"a\":}", "\u{FEFF}"])
  func refused(text: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: text.utf8) }
  }

  @Test("bytes that are no UTF-8 and deep nesting are refused, not trapped on")
  func hostile() {
    #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
    let deep = Array(repeating: UInt8(ascii: "["), count: 100_000)
    #expect(throws: JSONError.self) { try JSONValue(parsing: deep) }
  }

  @Test("a text may be nested 100 levels deep, and no deeper", arguments: ["[]", "{\"a\":}"])
  func depth(brackets: String) throws {
    func text(_ levels: Int) -> String {
      let open = String(brackets.dropLast())
      return String(repeating: open, count: levels) + "1"
        + String(repeating: String(brackets.suffix(1)), count: levels)
    }
    let value = try JSONValue(parsing: text(JSONValue.maxDepth).utf8)
    #expect(try JSONValue(parsing: value.text.utf8) == value)
    for levels in [JSONValue.maxDepth + 1, 511, 5000] {
      #expect(throws: JSONError.self) { try JSONValue(parsing: text(levels).utf8) }
    }
  }
}
