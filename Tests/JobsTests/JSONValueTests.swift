import Foundation
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
  func hostile() throws {
    #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
    // Foundation's decoder ends the process at 513 of them.
    for count in [1, 100, 101, 511, 512, 513, 514, 100_000] {
      for opening in ["[", "{\"a\":", " [", "[\"\\\"\","] {
        let text = String(repeating: opening, count: count)
        #expect(throws: JSONError.self) { try JSONValue(parsing: text.utf8) }
        #expect(throws: JSONError.self) {
          try JSONText.check(Array((text + text).utf8).span, atMost: 0)
        }
      }
    }
    // Neither does another encoding get it past the check.
    let hidden = "[\"\u{2261}\"," + String(repeating: "[", count: 513)
    for byteOrder in [String.Encoding.utf16LittleEndian, .utf16BigEndian, .utf16, .utf32] {
      let bytes = try #require(hidden.data(using: byteOrder))
      #expect(throws: JSONError.self) { try JSONValue(parsing: bytes) }
    }
  }

  @Test("brackets in strings are no levels")
  func bracketsInStrings() throws {
    let text = String(repeating: "[{", count: 5_000)
    let value: JSONValue = ["a\"[": .string(text), "b": ["\\", "["]]
    #expect(try JSONValue(parsing: value.text.utf8) == value)
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

  @Test("errors quote no more than the beginning of what they are about")
  func boundedErrors() throws {
    struct Named: Decodable { let name: [Int] }
    let long = String(repeating: "ä", count: 10_000)
    let error = #expect(throws: JSONError.self) {
      try JSONValue.object(["name": .array([.string(long)])]).decode(as: Named.self)
    }
    #expect(try #require(error).description.utf8.count < 1_000)
    #expect(JSONError(long).description.hasSuffix("ä…"))
    #expect(JSONError(long).description.utf8.count < 1_000)
  }
}
