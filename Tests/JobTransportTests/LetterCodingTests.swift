import AMQP
import Foundation
import Jobs
import Testing

@testable import JobTransport

@Suite("A message that is kept")
struct LetterCodingTests {
  private static let values: [FieldValue] = [
    .void, .bool(true), .int8(-8), .uint8(200), .int16(-300), .uint16(60_000), .int32(-70_000),
    .uint32(.max), .int64(.min), .uint64(.max), .float(1.5), .double(0.1), .double(7),
    .double(.infinity), .decimal(scale: 2, value: 150), .string(""), .string("ü\u{0}\n"),
    .bytes([0, 255]), .timestamp(1_767_225_600), .timestamp(.max),
    .array([.int32(1), .string("a"), .array([])]), .table(["a": .int8(1), "b": .void]),
    .table(["$type": .string("int8"), "value": .int64(1)]), .table(["$type": .string("x")]),
    .table([:]),
  ]

  @Test("comes back as it was, whatever kind of value its headers have", arguments: values)
  func headers(_ value: FieldValue) throws {
    var message = Message(body: [0, 1, 255])
    message.properties.headers = ["header": value, "other": .string("stays")]
    message.properties.deliveryMode = .persistent
    let content = LetterCoding.content(of: message)
    #expect(LetterCoding.message(content) == message)
    // As it is stored.
    let read = try JSONValue(
      parsing: content.properties.utf8, maxDepth: DeadLetterContent.maxDepth)
    #expect(
      LetterCoding.message(DeadLetterContent(properties: read, body: content.body)) == message)
  }

  @Test("comes back with each of its properties, but for who sent it and how long it may live")
  func properties() {
    let all = MessageProperties(
      contentType: "text/plain", contentEncoding: "gzip", headers: ["h": .int32(1)],
      deliveryMode: .persistent, priority: 200, correlationID: "c", replyTo: "r",
      messageID: "m", timestamp: 17, type: "a:b", appID: "app")
    let message = Message(text: "body", properties: all)
    #expect(LetterCoding.message(LetterCoding.content(of: message)) == message)
    var more = message
    more.properties.userID = "shop"
    more.properties.expiration = "1"
    more.properties.deliveryMode = .transient
    #expect(LetterCoding.message(LetterCoding.content(of: more)) == message)
    #expect(
      LetterCoding.message(LetterCoding.content(of: Message())).properties
        == MessageProperties(deliveryMode: .persistent))
  }

  @Test("is nested as deeply as AMQP allows")
  func deep() throws {
    var value = FieldValue.table(["$type": .void])
    for _ in 0..<98 { value = .table(["$type": value]) }
    let message = Message(properties: MessageProperties(headers: ["h": value]))
    let content = LetterCoding.content(of: message)
    let read = try JSONValue(
      parsing: content.properties.utf8, maxDepth: DeadLetterContent.maxDepth)
    #expect(
      LetterCoding.message(DeadLetterContent(properties: read, body: Data())).properties.headers
        == message.properties.headers)
  }

  @Test("is shown as JSON; what JSON does not have is text")
  func shown() {
    var message = Message(text: #"{"n": 1}"#)
    message.properties.type = "a:b"
    message.properties.headers = [
      "small": .int8(1), "bytes": .bytes([1]), "time": .timestamp(5), "list": .array([.int16(2)]),
      "pika": .decimal(scale: 1, value: 15),
    ]
    let shown = LetterCoding.shown(LetterCoding.content(of: message))
    #expect(shown.properties == ["type": "a:b"])
    #expect(
      shown.headers == ["small": 1, "bytes": "AQ==", "time": 5, "list": [2], "pika": 1.5])
    #expect(shown.body == ["n": 1])
    #expect(shown.bodyBase64 == nil)
    let binary = LetterCoding.shown(LetterCoding.content(of: Message(body: [0xFF])))
    #expect(binary.body == nil)
    #expect(binary.bodyBase64 == "/w==")
  }

  @Test("that lost its headers says so")
  func lost() {
    var message = Message()
    #expect(!LetterCoding.isLost(LetterCoding.content(of: message)))
    message.properties.headersRefused = "nested too deeply"
    #expect(LetterCoding.isLost(LetterCoding.content(of: message)))
    #expect(LetterCoding.isLost(LetterCoding.content(of: Message(), isLost: true)))
  }
}

@Suite("A dead letter that is restored")
struct RestoredLetterTests {
  private static let brokers: FieldTable = [
    "x-death": .array([
      .table([
        "queue": .string("jobs.submit"), "reason": .string("expired"), "count": .int64(2),
        "exchange": .string("jobs.submit"), "routing-keys": .array([.string("key")]),
      ])
    ]), "x-first-death-queue": .string("q"), "x-first-death-reason": .string("expired"),
    "x-first-death-exchange": .string(""), "x-last-death-queue": .string("q"),
    "x-last-death-reason": .string("expired"), "x-last-death-exchange": .string(""),
    "x-delivery-count": .int64(3), "x-acquired-count": .int64(4),
  ]

  private static func original() -> Message {
    var message = Message(text: "{}")
    message.properties = MessageProperties(
      contentType: "application/json",
      headers: ["mine": .int32(1), "idempotency-key": .string("k")],
      deliveryMode: .persistent, priority: 3, correlationID: "c", replyTo: "r", messageID: "m",
      timestamp: 1, type: "a:b", appID: "app")
    return message
  }

  @Test("has nothing left of ours", arguments: [false, true])
  func ours(_ isRepeated: Bool) {
    let original = Self.original()
    let error = ParamsViolation(pointer: "/a", keyword: "type", detail: "wrong")
    var sent = original
    sent.properties.userID = "shop"
    sent.properties.expiration = "5"
    for (name, value) in Self.brokers { sent.properties.headers[name] = value }
    let letter = DeadLetter.message(
      sent, reason: "invalid-params", explanation: "why", errors: [error], foundIn: "jobs.submit",
      isRepeated: isRepeated)
    #expect(letter.properties.headers[DeadLetter.user] == .string("shop"))
    #expect(
      letter.properties.headers[DeadLetter.repeated] == (isRepeated ? .bool(true) : nil))
    #expect(DeadLetter.restored(letter) == original)
    // And of a letter that was redriven and is one again.
    let redriven = DeadLetter.redrive(
      original, DeadLetterProvenance(letter: .version7(), count: 3), by: "warren")
    #expect(DeadLetter.restored(redriven) == original)
    let again = DeadLetter.message(
      redriven, reason: "conflict", explanation: "why", foundIn: "jobs.submit")
    #expect(DeadLetter.restored(again) == original)
  }

  @Test("has nothing left of the broker's")
  func brokers() {
    let original = Self.original()
    var letter = original
    for (name, value) in Self.brokers { letter.properties.headers[name] = value }
    letter.properties.userID = "shop"
    #expect(DeadLetter.restored(letter) == original)
    #expect(
      DeadLetter.deaths(of: letter)
        == [DeadLetterDeath(queue: "jobs.submit", reason: "expired", count: 2)])
    #expect(DeadLetter.publishedTo(letter)?.exchange == "jobs.submit")
    #expect(DeadLetter.publishedTo(letter)?.routingKey == "key")
    #expect(DeadLetter.deaths(of: original) == nil)
  }

  @Test("keeps the version of Warren's own messages")
  func version() throws {
    let report = try WireCoding.message(WorkerMessage.mark(UUID()))
    let letter = DeadLetter.message(
      report, reason: "bad-report", explanation: "why", foundIn: "jobs.reports")
    let restored = DeadLetter.restored(letter)
    #expect(restored.properties.headers == report.properties.headers)
    #expect(restored.body == report.body)
  }

  @Test("carries where it comes from, and nothing else, when it is published again")
  func provenance() {
    let original = Self.original()
    let provenance = DeadLetterProvenance(letter: .version7(), count: 2)
    let redriven = DeadLetter.redrive(original, provenance, by: nil)
    var headers = redriven.properties.headers
    #expect(headers[DeadLetter.redriven] == .int64(2))
    headers[DeadLetter.redriven] = nil
    headers[DeadLetter.provenance] = nil
    #expect(headers == original.properties.headers)
    #expect(redriven.properties.userID == nil)
    #expect(DeadLetter.provenance(of: redriven) == provenance)
    // As a letter it says so still, even where its own headers are too large to be kept.
    var large = redriven
    large.properties.headers["large"] = .string(String(repeating: "x", count: 100_000))
    for message in [redriven, large] {
      let letter = DeadLetter.message(
        message, reason: "conflict", explanation: "why", foundIn: "jobs.submit")
      #expect(DeadLetter.provenance(of: letter) == provenance)
    }
    var wrong = redriven
    for value: FieldValue in [.int64(0), .string("1"), .int64(-1), .void] {
      wrong.properties.headers[DeadLetter.redriven] = value
      #expect(DeadLetter.provenance(of: wrong) == nil)
    }
  }

  @Test("has one id of its own, however often it is published")
  func identity() {
    let part = DeadLetter.Letter.Part(Message(), reason: "r", explanation: "e")
    let other = DeadLetter.Letter.Part(Message(), reason: "r", explanation: "e")
    #expect(part.letter != other.letter)
    let letter = DeadLetter.message(
      Message(), reason: "r", explanation: "e", foundIn: "q", letter: part.letter)
    #expect(
      letter.properties.headers[DeadLetter.letter]
        == .string(part.letter.uuidString.lowercased()))
  }

  @Test(
    "is of the kind that its type says",
    arguments: [
      ("a:b", false, DeadLetterKind.job), ("warren.cancel", false, .cancel),
      ("warren.worker", false, .own), ("warren.worker", true, .report), ("a:b", true, .report),
      ("warren.ticket", false, .own),
      ("warren.claims", false, .own), ("nothing", false, .job),
    ])
  func kinds(_ type: String, _ isReport: Bool, _ kind: DeadLetterKind) {
    var message = Message()
    message.properties.type = type
    #expect(DeadLetter.kind(of: message, isReport: isReport) == kind)
    var byHeader = Message()
    byHeader.properties.headers = ["type": .string(type)]
    #expect(DeadLetter.kind(of: byHeader, isReport: isReport) == kind)
  }
}
