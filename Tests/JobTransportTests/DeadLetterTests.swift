import AMQP
import Jobs
import Testing

@testable import JobTransport

@Suite("Dead letters")
struct DeadLetterTests {
  @Test("a dead letter is the message, with its reason, without the broker's own history")
  func letter() {
    var original = Message(body: [1, 2, 3])
    original.properties.type = "no-type"
    original.properties.expiration = "5"
    original.properties.userID = "guest"
    original.properties.headers = [
      "mine": .string("stays"), "x-death": .string("goes"), "x-first-death-queue": .string("goes"),
    ]
    let letter = DeadLetter.message(
      original, reason: "bad-property", explanation: "the type is missing", foundIn: "jobs.submit")
    #expect(letter.body == [1, 2, 3])
    #expect(letter.properties.type == "no-type")
    #expect(letter.properties.expiration == nil)
    #expect(letter.properties.userID == nil)
    #expect(letter.properties.deliveryMode == .persistent)
    #expect(letter.properties.headers["mine"] == .string("stays"))
    #expect(letter.properties.headers["x-death"] == nil)
    #expect(letter.properties.headers["x-first-death-queue"] == nil)
    #expect(letter.properties.headers[DeadLetter.reason] == .string("bad-property"))
    #expect(letter.properties.headers[DeadLetter.explanation] == .string("the type is missing"))
    #expect(letter.properties.headers[DeadLetter.foundIn] == .string("jobs.submit"))
  }

  @Test("headers and explanations that would not fit into a frame are cut")
  func large() {
    var original = Message(body: [1])
    original.properties.headers = ["mine": .string(String(repeating: "x", count: 120_000))]
    let explained = DeadLetter.Letter.Part(
      original, reason: "bad-header", explanation: String(repeating: "é", count: 50_000))
    let letter = DeadLetter.message(
      original, reason: explained.reason, explanation: explained.explanation, foundIn: "jobs.submit"
    )
    #expect(letter.body == [1])
    #expect(letter.properties.headers.encodedSize < 5_000)
    #expect(letter.properties.headers[DeadLetter.reason] == .string("bad-header"))
  }

  @Test(
    "what is wrong with params is listed as JSON, as much as there is room for; an older list goes")
  func errors() throws {
    var original = Message(body: [1])
    original.properties.headers = [DeadLetter.errors: .string("[1]")]
    func letter(_ errors: [ParamsViolation]) -> Message {
      DeadLetter.message(
        original, reason: "invalid-params", explanation: "why", errors: errors,
        foundIn: "jobs.submit")
    }
    #expect(letter([]).properties.headers[DeadLetter.errors] == nil)
    let error = ParamsViolation(pointer: "/a", keyword: "type", detail: "wrong")
    #expect(
      letter([error]).properties.headers[DeadLetter.errors]
        == .string(#"[{"detail":"wrong","keyword":"type","pointer":"/a"}]"#))
    let long = ParamsViolation(
      pointer: "/a", keyword: "type", detail: String(repeating: "x", count: 1_000))
    guard
      case .string(let text)? = letter(Array(repeating: long, count: 20)).properties.headers[
        DeadLetter.errors],
      case .array(let kept) = try JSONValue(parsing: text.utf8)
    else {
      Issue.record("no list")
      return
    }
    #expect(text.utf8.count <= 8 << 10)
    #expect(kept.count == 7)
  }
}
