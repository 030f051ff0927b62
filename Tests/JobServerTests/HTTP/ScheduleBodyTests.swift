import Foundation
import HTTPTypes
import Jobs
import Testing

@testable import JobServer

@Suite("The body of POST /jobs", .timeLimit(.minutes(2)))
struct ScheduleBodyTests {
  private static let known = [try? JobTypeID("files:checksum")].compactMap { $0 }

  @Test("a type is enough")
  func typeAlone() throws {
    let body = try parse(#"{"type": "files:checksum"}"#)
    #expect(body.type.description == "files:checksum")
    #expect(body.params == [:])
    #expect(body.idempotencyKey == nil)
    #expect(body.scheduledAt == nil)
    #expect(body.timeout == nil)
    #expect(body.maxRetries == nil)
    #expect(body.retryDelay == nil)
    #expect(body.priority == nil)
  }

  @Test("everything is read, and goes into the submission")
  func everything() throws {
    let key = UUID()
    let body = try parse(
      """
      {"type": "files:checksum", "params": {"path": "/x"}, "idempotency_key": "\(key)",
       "scheduled_at": 253402300799999, "timeout_sec": 1.5, "max_retries": 3, "retry_delay_sec": 2,
       "priority": 9, "context": {"request-id": "17"}}
      """)
    let caller = try Caller(["X-Tenant-ID": UUID(), "X-User-ID": UUID()])
    let submission = body.submission(by: caller)
    #expect(
      submission
        == JobSubmission(
          type: try JobTypeID("files:checksum"), params: ["path": "/x"], tenantID: caller.tenant,
          userID: caller.user, idempotencyKey: IdempotencyKey(uuid: key),
          scheduledAt: Timestamp(milliseconds: 253_402_300_799_999),
          timeout: .milliseconds(1500), maxRetries: 3, retryDelay: .seconds(2), priority: 9,
          context: ["request-id": "17"]))
  }

  @Test("the headers of a trace go before the body's context, and a parent with its own state")
  func trace() throws {
    let body = try parse(
      #"""
      {"type": "files:checksum",
       "context": {"traceparent": "mine", "tracestate": "mine", "baggage": "mine", "a": "1"}}
      """#)
    let caller = try Caller([:])
    func context(_ headers: HTTPFields) -> [String: String] {
      body.submission(by: caller, headers).context
    }
    #expect(context([:]) == body.context)
    let baggage = HTTPField.Name("Baggage").map { HTTPFields([.init(name: $0, value: "theirs")]) }
    #expect(
      context(try #require(baggage))
        == ["traceparent": "mine", "tracestate": "mine", "baggage": "theirs", "a": "1"])
    let parent = try #require(HTTPField.Name("Traceparent"))
    #expect(
      context(HTTPFields([.init(name: parent, value: "theirs")]))
        == ["traceparent": "theirs", "baggage": "mine", "a": "1"])
    let state = try #require(HTTPField.Name("tracestate"))
    let all = HTTPFields([
      .init(name: parent, value: "theirs"), .init(name: state, value: "a=1"),
      .init(name: state, value: "b=2"),
    ])
    #expect(context(all)["tracestate"] == "a=1, b=2")
  }

  @Test("null is left out")
  func nulls() throws {
    let body = try parse(
      #"{"type": "files:checksum", "params": null, "idempotency_key": null, "timeout_sec": null}"#)
    #expect(body == (try parse(#"{"type": "files:checksum"}"#)))
  }

  @Test(
    "bytes that are no JSON",
    arguments: ["", " ", "{", #"{"type": }"#, "type=files:checksum", "{}{}", "\u{0}"])
  func noJSON(text: String) throws {
    let problem = try #require(throws: APIProblem.self) { try parse(text) }.problem
    #expect(problem.type == "/problems/invalid-json")
    #expect(problem.status == 400)
    #expect(problem.detail.contains("JSON object"))
  }

  @Test("bytes that are no UTF-8")
  func noText() throws {
    let problem = try #require(throws: APIProblem.self) {
      try ScheduleBody(parsing: [0x7B, 0x22, 0xFF, 0xFE, 0x22, 0x7D], knownTypes: [])
    }.problem
    #expect(problem.type == "/problems/invalid-json")
  }

  @Test(
    "halves of characters are named as such",
    arguments: [
      (#"{"type": "a:b", "x\ud800": 1}"#, "the name of a member has half a surrogate pair"),
      (#"{"type": "a:b", "params": {"p": {"x\ud800": 1}}}"#, "params.p: "),
      (#"{"type": "a:b", "params": {"p": "\udc00"}}"#, "params.p: "),
      (#"{"type": "a\ud800"}"#, "a string has half a surrogate pair"),
    ])
  func halfCharacters(text: String, hint: String) throws {
    let problem = try #require(throws: APIProblem.self) { try parse(text) }.problem
    #expect(problem.type == "/problems/invalid-json")
    #expect(problem.detail.contains(hint), "\(problem.detail)")
    #expect(!problem.detail.contains("Double"))
  }

  @Test(
    "JSON that is no object", arguments: [("[]", "array"), ("7", "integer"), (#""x""#, "string")])
  func noObject(text: String, kind: String) throws {
    let problem = try #require(throws: APIProblem.self) { try parse(text) }.problem
    #expect(problem.type == "/problems/invalid-body")
    #expect(problem.detail.contains(kind))
  }

  @Test(
    "a member that is wrong is named, with what it is and what it has to be",
    arguments: [
      (#"{}"#, "type", "group:name"),
      (#"{"type": null}"#, "type", "missing"),
      (#"{"type": 7}"#, "type", "a string, not 7"),
      (#"{"type": "a:b", "params": []}"#, "params", "an object, not an array"),
      (#"{"type": "a:b", "params": "{}"}"#, "params", "an object"),
      (#"{"type": "a:b", "idempotency_key": ""}"#, "idempotency_key", "1 to 255 bytes"),
      (#"{"type": "a:b", "idempotency_key": 7}"#, "idempotency_key", "a string, not 7"),
      (#"{"type": "a:b", "scheduled_at": -1}"#, "scheduled_at", "from 0"),
      (#"{"type": "a:b", "scheduled_at": 253402300800000}"#, "scheduled_at", "milliseconds"),
      (#"{"type": "a:b", "scheduled_at": "tomorrow"}"#, "scheduled_at", "an integer"),
      (#"{"type": "a:b", "scheduled_at": 1.5}"#, "scheduled_at", "an integer"),
      (#"{"type": "a:b", "scheduled_at": 99999999999999999999}"#, "scheduled_at", "an integer"),
      (#"{"type": "a:b", "timeout_sec": -0.1}"#, "timeout_sec", "seconds from 0"),
      (#"{"type": "a:b", "timeout_sec": 1e300}"#, "timeout_sec", "seconds"),
      (#"{"type": "a:b", "timeout_sec": "60s"}"#, "timeout_sec", "a number"),
      (#"{"type": "a:b", "max_retries": -1}"#, "max_retries", "from 0 to 1000000"),
      (#"{"type": "a:b", "max_retries": 1000001}"#, "max_retries", "1000001"),
      (#"{"type": "a:b", "max_retries": 9223372036854775807}"#, "max_retries", "integer"),
      (#"{"type": "a:b", "max_retries": true}"#, "max_retries", "true"),
      (#"{"type": "a:b", "retry_delay_sec": -1}"#, "retry_delay_sec", "seconds"),
      (#"{"type": "a:b", "priority": -1}"#, "priority", "an integer from 0 to 9, not -1"),
      (#"{"type": "a:b", "priority": 10}"#, "priority", "an integer from 0 to 9, not 10"),
      (#"{"type": "a:b", "priority": 0.5}"#, "priority", "an integer from 0 to 9"),
      (#"{"type": "a:b", "priority": "high"}"#, "priority", "an integer from 0 to 9"),
      (#"{"type": "a:b", "jitter": 2}"#, "jitter", "a number from 0 to 1, not 2"),
      (#"{"type": "a:b", "context": "x"}"#, "context", "an object of strings"),
      (#"{"type": "a:b", "context": {"n": 7}}"#, "context.n", "a string, not 7"),
      (#"{"type": "a:b", "parms": {}}"#, "parms", "params"),
      (#"{"type": "a:b", "id": "x"}"#, "id", "known are"),
      (#"{"type": "a:b", "params": {}, "type": "a:c"}"#, "type", "is given twice"),
      (#"{"type": "a:b", "t\u0079pe": "a:b"}"#, "type", "is given twice"),
      (#"{"type": "a:b", "params": {"a": [{"b": 1, "b": 1}]}}"#, "params.a.b", "is given twice"),
    ])
  func wrongMembers(text: String, culprit: String, remedy: String) throws {
    let problem = try #require(throws: APIProblem.self) { try parse(text) }.problem
    #expect(problem.type == "/problems/invalid-body")
    #expect(problem.status == 400)
    #expect(problem.detail.contains(culprit), "\(problem.detail)")
    #expect(problem.detail.contains(remedy), "\(problem.detail)")
  }

  @Test("everything that is wrong is said at once")
  func allFaults() throws {
    let problem = try #require(throws: APIProblem.self) {
      try parse(#"{"typ": "a:b", "params": 1, "max_retries": "x"}"#)
    }.problem
    for culprit in ["typ'", "type is missing", "params", "max_retries"] {
      #expect(problem.detail.contains(culprit), "\(problem.detail)")
    }
  }

  @Test(
    "what is no name of a job type is told the known ones",
    arguments: ["", "checksum", "a::c", ":", "files:check sum", "files:", "dä:b"])
  func malformedTypes(type: String) throws {
    let problem = try #require(throws: APIProblem.self) { try parse(#"{"type": "\#(type)"}"#) }
      .problem
    #expect(problem.type == "/problems/unknown-type")
    #expect(problem.status == 422)
    #expect(problem.detail.contains("files:checksum"), "\(problem.detail)")
    #expect(problem.knownTypes == Self.known)
  }

  private func parse(_ text: String) throws -> ScheduleBody {
    try ScheduleBody(parsing: Array(text.utf8), knownTypes: Self.known)
  }
}
