import AMQP
import Jobs
import TestSupport

/// What JSON is made of, and changes of it that leave it JSON.
enum JSONFuzz {
  static let tokens = [
    "{", "}", "[", "]", ":", ",", "\"", "\\", "\\u0000", "\\ud800", "\\udc00", "\\u00", "null",
    "true",
    "false", "0", "-0", "-", "1e400", "1e-400", "0.1", "1.", "01", "+1", "NaN", "Infinity",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616",
    "123456789012345678901234567890", "\"\":", "\"a\":", "\"type\":", " ", "\n", "/*", "//",
  ]
  static let nests = [("[", "]"), ("{\"a\":", "}"), ("[1,", "]"), ("{\"items\":", "}")]
  static let keywords =
    [
      "properties", "required", "additionalProperties", "patternProperties", "propertyNames",
      "items",
      "prefixItems", "contains", "allOf", "anyOf", "oneOf", "not", "if", "then", "else",
      "dependentSchemas", "dependentRequired", "$defs", "$ref", "pattern", "format", "enum",
      "const",
      "default", "minimum", "multipleOf", "minLength", "maxItems", "uniqueItems", "value",
    ].map { "\"\($0)\":" } + [
      "\"#\"", "\"#/$defs/a\"", "\"object\"", "\"string\"", "\"^(a+)+$\"", "\"[^\\\\w]{2,9}?\"",
      "\"date-time\"", "\"uri-reference\"", "\"hostname\"", "\"ipv6\"",
    ]
  static let schemaNests =
    nests
    + ["not", "items", "additionalProperties", "if", "propertyNames"].map {
      ("{\"\($0)\":", "}")
    } + [("{\"allOf\":[", "]}"), ("{\"properties\":{\"a\":", "}}")]
  /// Of the members of Warren's own messages.
  static let names = [
    "job", "type", "attempt", "worker", "claim", "content", "ended", "progress", "percent",
    "snapshot",
    "reports", "announcement", "farewell", "mark", "running", "queues", "groups", "types", "pid",
    "completed", "failed", "_0", "cancel", "suspend", "call", "renew", "ping", "assignment", "run",
    "version", "params", "scheduled_at", "timeout", "epoch", "parked", "wake", "queue", "count",
    "isRepeated", "jobs", "rest", "priority",
  ].map { "\"\($0)\":" }
  static let requests = [
    "\"get\":", "\"get_key\":", "\"tell_end\":", "\"watch\":", "\"seconds\":", "\"jobs\":",
    "\"more\":",
    "\"unknown\":", "\"error\":",
  ]
  static let events = [
    "\"specversion\":", "\"type\":", "\"source\":", "\"id\":", "\"data\":", "\"data_base64\":",
    "\"datacontenttype\":", "\"time\":", "\"traceparent\":",
  ]
  static let reports = [
    #"{"progress":"#, #"{"result":"#, #"{"skip":"#, #"{"snapshot":"#, #""details":"#,
  ]

  /// JSON of the corpus in which values, members and names have changed; now and then `nil`.
  static func changed(_ corpus: [[UInt8]], _ generator: inout SeededGenerator) -> [UInt8]? {
    guard !corpus.isEmpty, !generator.chance(3),
      let value = try? JSONValue(parsing: generator.pick(corpus))
    else { return nil }
    var mayRepeat = true
    return Array(changed(value, &generator, &mayRepeat).text.utf8.prefix(64 << 10))
  }

  /// - Parameter mayRepeat: one array at the most is made longer: a longer one in a longer one, and so on, would fill the memory.
  private static func changed(
    _ value: JSONValue, _ generator: inout SeededGenerator, _ mayRepeat: inout Bool
  ) -> JSONValue {
    if generator.chance(12) { return anything(&generator, levels: 3) }
    switch value {
    case .object(var members):
      for (name, member) in members.sorted(by: { $0.key < $1.key }) {
        switch generator.below(16) {
        case 0: members[name] = nil
        case 1:
          members[name] = nil
          members[text(&generator)] = member
        case 2: members[text(&generator)] = anything(&generator, levels: 2)
        default: members[name] = changed(member, &generator, &mayRepeat)
        }
      }
      return .object(members)
    case .array(let elements):
      var elements = elements.map { changed($0, &generator, &mayRepeat) }
      if mayRepeat, generator.chance(100), let first = elements.first {
        mayRepeat = false
        elements += Array(repeating: first, count: generator.pick([1, 2, 100]))
      }
      return .array(elements)
    case .string(let text):
      guard generator.chance(4) else { return value }
      return .string(String(text.prefix(generator.below(text.count + 1))) + self.text(&generator))
    case .integer, .number:
      return generator.chance(3) ? number(&generator) : value
    case .null, .bool: return value
    }
  }

  private static func anything(_ generator: inout SeededGenerator, levels: Int) -> JSONValue {
    switch generator.below(levels > 0 ? 8 : 5) {
    case 0: .null
    case 1: .bool(generator.chance(2))
    case 2: number(&generator)
    case 3, 4: .string(text(&generator))
    case 5, 6:
      .array((0..<generator.below(4)).map { _ in anything(&generator, levels: levels - 1) })
    default:
      .object(
        Dictionary(
          (0..<generator.below(4)).map { _ in
            (text(&generator), anything(&generator, levels: levels - 1))
          }, uniquingKeysWith: { first, _ in first }))
    }
  }

  private static func number(_ generator: inout SeededGenerator) -> JSONValue {
    generator.pick([
      0, 1, -1, .integer(.max), .integer(.min), 2_147_483_648, 0.5, .number(1e308),
      .number(-1e-308),
      .number(9.3e18), .integer(100), .integer(101),
    ])
  }

  static func text(_ generator: inout SeededGenerator) -> String {
    switch generator.below(8) {
    case 0: ""
    case 1: String(repeating: "x", count: generator.pick([255, 256, 1_000, 20_000]))
    case 2: String(repeating: "👩‍👩‍👧‍👦", count: generator.pick([1, 20, 1_000]))
    case 3: "\0\u{1b}[31m\u{202E}"
    case 4:
      generator.pick([
        "waiting", "running", "completed", "void", "park", "a:b", "a:b:c", "compute", "_0",
      ])
    case 5: "019aa5a0-63c1-7000-8000-00000000000\(generator.below(10))"
    default:
      String(
        decoding: (0..<generator.below(12)).map { _ in UInt8(generator.below(256)) }, as: UTF8.self)
    }
  }
}

/// Messages with properties and headers that are right, nearly right, and noise.
enum MessageFuzz {
  static func message(body: [UInt8], _ generator: inout SeededGenerator) -> Message {
    var properties = MessageProperties()
    properties.type = generator.pick([
      "files:checksum", "files:checksum", "files:checksum", "warren.cancel", nil, "a", ":", "a:",
      JSONFuzz.text(&generator),
    ])
    if generator.chance(3) {
      properties.messageID = generator.pick([
        "019aa5a0-63c1-7000-8000-000000000001", "x", JSONFuzz.text(&generator),
      ])
    }
    if generator.chance(3) { properties.priority = UInt8(generator.below(256)) }
    if generator.chance(4) { properties.replyTo = JSONFuzz.text(&generator) }
    if generator.chance(4) { properties.correlationID = JSONFuzz.text(&generator) }
    if generator.chance(4) {
      properties.contentType = generator.pick([
        "application/json", "application/cloudevents+json", "Application/CloudEvents+json;x", "a",
        JSONFuzz.text(&generator),
      ])
    }
    if generator.chance(4) { addEvent(&properties.headers, &generator) }
    let names = [
      "type", "idempotency-key", "tenant-id", "user-id", "scheduled-at", "timeout-sec",
      "max-retries", "retry-delay-sec", "backoff", "max-retry-delay-sec", "jitter", "x-death",
    ]
    for _ in 0..<generator.below(4) {
      let name = generator.chance(10) ? JSONFuzz.text(&generator) : generator.pick(names)
      properties.headers[name] = value(&generator, levels: 4)
    }
    return Message(body: body, properties: properties)
  }

  /// The attributes of a CloudEvent, right or nearly.
  private static func addEvent(_ headers: inout FieldTable, _ generator: inout SeededGenerator) {
    let prefix = generator.pick(["cloudEvents_", "cloudEvents:", "ce-"])
    for (name, value) in [
      ("specversion", "1.0"), ("type", "files:checksum"), ("source", "/orders"), ("id", "4711"),
    ] where !generator.chance(20) {
      headers[prefix + name] = .string(value)
    }
    guard generator.chance(2) else { return }
    let name = generator.pick([
      "id", "source", "type", "time", "traceparent", "datacontenttype", "x",
    ])
    headers[prefix + name] = value(&generator, levels: 2)
  }

  private static func value(_ generator: inout SeededGenerator, levels: Int) -> FieldValue {
    switch generator.below(levels > 0 ? 18 : 14) {
    case 0: .bool(generator.chance(2))
    case 1: .int8(.min)
    case 2: .uint64(generator.pick([0, .max]))
    case 3: .int64(generator.pick([0, 1, -1, .max, .min, 60]))
    case 4: .float(generator.pick([0, .nan, .infinity, 1e38]))
    case 5: .double(generator.pick([0, .nan, -.infinity, 1e308, 0.5, 9.3e18, -1e-300]))
    case 6: .decimal(scale: UInt8(generator.below(256)), value: .max)
    case 7: .timestamp(generator.pick([0, .max, 1_800_000_000]))
    case 8: .bytes((0..<generator.below(2_000)).map { _ in UInt8(generator.below(256)) })
    case 9: .void
    case 10: .string("019aa5a0-63c1-7000-8000-000000000001")
    case 11:
      .string(generator.pick(["exponential", "constant", "1e400", "nan", "-0", "0x10", "５"]))
    case 12, 13: .string(JSONFuzz.text(&generator))
    case 14:
      // As deep as the wire allows, in a place where a text is expected.
      (0..<generator.pick([10, 99])).reduce(FieldValue.void) { inner, _ in .array([inner]) }
    case 15, 16:
      .array((0..<generator.below(5)).map { _ in value(&generator, levels: levels - 1) })
    default:
      .table([
        JSONFuzz.text(&generator): value(&generator, levels: levels - 1),
        "a": value(&generator, levels: levels - 1),
      ])
    }
  }
}

/// What the configuration file is made of.
enum YAMLFuzz {
  static let tokens = [
    "queues:", "groups:", "types:", "server:", "worker:", "http:", "broker:", "prefix:", "store:",
    "capacity:", "command:", "params:", "timeout:", "<<: ", "*a", "&a ", "- ", "? ", ": ", "\n",
    "\n  ", "\t", "{", "}", "[", "]", "!!binary ", "!!str ", "!<x>", "|\n", ">-\n", "\"", "'", "#",
    "---\n",
    "...\n", "%YAML 1.2\n", "~", ".inf", ".nan", "0x7fffffffffffffff", "1e400", "1h", "99999999h",
    "-1s", "2026-01-01", "{path}", "{{", "\\x", "\u{2028}", "name: ", "group: ", "priority: ",
    "yes",
  ]
  static let variables = [
    "WARREN_BROKER", "WARREN_PREFIX", "WARREN_STORE", "WARREN_HTTP_PORT", "WARREN_LOG_LEVEL",
    "WARREN_HTTP_HOST",
  ]
}
