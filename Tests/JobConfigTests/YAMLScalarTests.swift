import Jobs
import Testing

@testable import JobConfig

@Suite("Scalars of YAML's core schema")
struct YAMLScalarTests {
  @Test(
    "plain ones are what they look like",
    arguments: [
      ("", .null), ("~", .null), ("null", .null), ("true", .bool(true)), ("False", .bool(false)),
      ("0", 0), ("-12", -12), ("+5", 5), ("0x1F", 31), ("0o17", 15), ("1.5", 1.5), ("-.5", -0.5),
      ("1e3", 1000.0), ("9223372036854775807", .integer(.max)),
      ("9223372036854775808", .number(9_223_372_036_854_775_808)),
      ("no", "no"), ("on", "on"), ("12:30", "12:30"), ("2030-01-31", "2030-01-31"), ("-", "-"),
      ("+", "+"), (".", "."), ("e", "e"), (".inf", ".inf"), ("nan", "nan"), ("1e999", "1e999"),
      ("0x", "0x"), ("0x-5", "0x-5"), ("1_000", "1_000"), ("1.2.3", "1.2.3"), ("--1", "--1"),
    ] as [(String, JSONValue)])
  func plain(text: String, value: JSONValue) {
    #expect(YAMLScalar(text, isPlain: true).value == value)
  }

  @Test("quoted ones are strings", arguments: ["", "1", "true", "null"])
  func quoted(text: String) {
    #expect(YAMLScalar(text, isPlain: false).value == .string(text))
  }
}
