import Foundation
import TestSupport
import Testing

@testable import Jobs

@Suite("JSON values")
struct JSONValueTests {
  @Test(
    "a member that is given twice is found, wherever it is, and what only looks like one is not",
    arguments: [
      (#"{"a": 1, "b": {"a": 1}, "c": ["a", "a"], "d": "\"a\": 1, \"a\": 1"}"#, []),
      (#"{"a": 1, "a": 2, "b": 3, "b": 4}"#, [JSONRepetition(element: nil, name: "a")]),
      (#"{"a": {"b\"": 1, "b\"": 2}}"#, [JSONRepetition(element: nil, name: "a.b\"")]),
      (#"{"a": 1, "\u0061": 2}"#, [JSONRepetition(element: nil, name: "a")]),
      ("{\"\u{E9}\": 1, \"e\u{301}\": 2}", [JSONRepetition(element: nil, name: "\u{E9}")]),
      (
        #"[{"a": 1}, {"b": [{"c": 1, "c": 1}], "b": 1}, 7, {"a": 1, "a": 1}]"#,
        [JSONRepetition(element: 1, name: "b.c"), JSONRepetition(element: 3, name: "a")]
      ),
      ("7", []), (#""a""#, []), ("[]", []),
    ])
  func repetitions(text: String, found: [JSONRepetition]) {
    let bytes = Data(text.utf8)
    #expect(JSONRepetition.all(in: bytes.span) == found)
  }

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

  @Test("is written as Foundation writes it", arguments: 0..<200)
  func written(seed: UInt64) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var random = SeededGenerator(seed: seed)
    let value = JSONValue.random(depth: 4, using: &random)
    #expect(value.text == String(decoding: try encoder.encode(value), as: UTF8.self))
    #expect(try JSONValue(parsing: value.text.utf8) == value)
  }

  @Test("long text is written as short text is")
  func longText() throws {
    let part = "a/b\\c\"d\n\t\u{8}\u{c}\r\u{1}\u{1f}\u{7f}é𝄞\u{2028} "
    let short = JSONValue.string(part).text.dropFirst().dropLast()
    let long = JSONValue.string(String(repeating: part, count: 1_000))
    #expect(long.text == "\"" + String(repeating: String(short), count: 1_000) + "\"")
    #expect(try JSONValue(parsing: long.text.utf8) == long)
  }

  @Test("a number that is not finite is written as null")
  func infinite() {
    #expect(JSONValue.array([.number(.infinity), .number(.nan), 1]).text == "[null,null,1]")
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

  @Test("an integer that is not kept as it is cannot be written, wherever it stands")
  func largeIntegers() throws {
    for large in [UInt64.max, UInt64(Int64.max) + 1] {
      let value = ["big": [0, large]]
      let message =
        "\(large) cannot be written as JSON: integers beyond 64 bits with a sign are not kept exactly;"
        + " make it a text"
      for encode in [
        { _ = try JSONValue(encoding: value) }, { _ = try JSONPayload(encoding: value) },
        { _ = try JSONPayload(encoding: large) },
      ] {
        let error = #expect(throws: JSONError.self) { try encode() }
        #expect(error?.description == message)
      }
    }
    // Whatever else has as many digits is.
    for text in ["18446744073709551615", #"\"18446744073709551615"#] {
      #expect(try JSONValue(encoding: [text]) == .array([.string(text)]))
    }
    for integer in [Int64.min, .max] {
      #expect(try JSONValue(encoding: [integer]) == .array([.integer(integer)]))
    }
    for number in [1e19, 9.223372036854776e18, 0.00012345678901234567, -1.2345678901234567e-300] {
      #expect(try JSONValue(encoding: [number]).decode(as: [Double].self) == [number])
    }
    // What others send is read as most JSON readers do.
    let nearest = JSONValue.number(18_446_744_073_709_551_616)
    #expect(try JSONValue(parsing: Array("18446744073709551615".utf8)) == nearest)
  }
}

extension JSONValue {
  static func random(depth: Int, using random: inout some RandomNumberGenerator) -> JSONValue {
    switch Int.random(in: 0..<(depth > 0 ? 8 : 5), using: &random) {
    case 0: return .null
    case 1: return .bool(.random(using: &random))
    case 2: return .integer(.random(in: .min ... .max, using: &random))
    case 3:
      let number = Double.random(in: 0.001..<1, using: &random)
      // Whole ones come back as integers.
      return .number(
        number * [1, 1000, 1e-300, 1e30, -1].randomElement(using: &random)!)
    case 4: return .string(text(using: &random))
    case 5, 6:
      return .array(
        (0..<Int.random(in: 0...4, using: &random)).map { _ in
          Self.random(depth: depth - 1, using: &random)
        })
    default:
      let members = (0..<Int.random(in: 0...4, using: &random)).map { _ in
        (text(using: &random), Self.random(depth: depth - 1, using: &random))
      }
      return .object(Dictionary(members, uniquingKeysWith: { $1 }))
    }
  }

  private static func text(using random: inout some RandomNumberGenerator) -> String {
    let scalars: [Unicode.Scalar] = [
      "a", "B", "z", "_", "0", "/", "\\", "\"", "\n", "\t", "\r", "\u{8}", "\u{c}", "\u{1}",
      "\u{1f}",
      "\u{7f}", "é", "𝄞", "\u{2028}", " ",
    ]
    var text = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0...6, using: &random) {
      text.append(scalars.randomElement(using: &random)!)
    }
    return String(text)
  }
}
