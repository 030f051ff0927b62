import AMQP
import Foundation
import Jobs
import Testing

@testable import JobTransport

@Suite("Job messages")
struct JobMessageTests {
  private let key = UUID(uuidString: "0190A0A0-0000-7000-8000-000000000001")

  private func message(
    type: String? = "files:checksum", id: String? = nil, headers: FieldTable = [:],
    body: String = #"{"path":"a"}"#
  ) -> Message {
    var properties = MessageProperties()
    properties.type = type
    properties.messageID = id
    properties.headers = headers
    return Message(body: Array(body.utf8), properties: properties)
  }

  private func refusal(_ message: Message) -> JobMessageError? {
    do {
      _ = try JobMessage.submission(message)
      return nil
    } catch {
      return error
    }
  }

  @Test("a type and a body are enough")
  func minimal() throws {
    let submission = try JobMessage.submission(message())
    #expect(
      submission == JobSubmission(type: try JobTypeID("files:checksum"), params: ["path": "a"]))
    #expect(try JobMessage.submission(message(body: "")).params == [:])
  }

  @Test("headers that could not be read, and values of any size, are refused in a few words")
  func unreadableHeaders() {
    var unreadable = message()
    unreadable.properties.headersRefused = "the headers are nested more than 100 levels deep"
    #expect(refusal(unreadable)?.description.contains("100 levels") == true)
    var nested = FieldValue.array([])
    for _ in 0..<99 { nested = .array([nested]) }
    let long = FieldValue.string(String(repeating: "x", count: 100_000))
    for value in [nested, long, .table(["a": nested])] {
      let error = refusal(message(headers: ["tenant-id": value]))
      #expect(error.map { "\($0)".utf8.count < 400 } == true)
    }
  }

  @Test("the type may be a header, for tools that cannot set the property")
  func typeHeader() throws {
    let submission = try JobMessage.submission(
      message(type: nil, headers: ["type": .string("files:checksum")]))
    #expect(submission.type.description == "files:checksum")
  }

  @Test("what is written is read back")
  func roundTrip() throws {
    let submission = JobSubmission(
      type: try JobTypeID("files:checksum"), params: ["path": "ä", "n": 1], id: JobID(),
      tenantID: UUID(), userID: UUID(), idempotencyKey: key.map(IdempotencyKey.init(uuid:)),
      scheduledAt: Timestamp(milliseconds: 1_900_000_000_000), timeout: .milliseconds(1500),
      maxRetries: 3, retryDelay: .seconds(2), priority: 7,
      context: ["request-id": "17", "traceparent": "00-a-b-01", "baggage": "k=v"])
    let message = JobMessage.message(submission)
    #expect(message.properties.priority == 7)
    #expect(message.properties.headers["traceparent"] == "00-a-b-01")
    #expect(message.properties.headers["context-request-id"] == "17")
    #expect(try JobMessage.submission(message) == submission)
  }

  @Test(
    "the priority is the property, and above 9 it is 9",
    arguments: [(nil, nil), (0, 0), (5, 5), (9, 9), (10, 9), (255, 9)] as [(UInt8?, Int?)])
  func priority(property: UInt8?, priority: Int?) throws {
    var message = message()
    message.properties.priority = property
    #expect(try JobMessage.submission(message).priority == priority)
  }

  @Test("a priority that is out of range is written as the nearest one")
  func priorityOutOfRange() throws {
    var submission = JobSubmission(type: try JobTypeID("files:checksum"))
    #expect(JobMessage.message(submission).properties.priority == nil)
    for (given, written) in [(-1, 0), (10, 9), (Int.min, 0), (Int.max, 9)] as [(Int, UInt8)] {
      submission.priority = given
      #expect(JobMessage.message(submission).properties.priority == written)
    }
  }

  @Test("numbers are taken in any AMQP type, and as text")
  func numbers() throws {
    for value in [FieldValue.int64(7), .int32(7), .string("7")] {
      let submission = try JobMessage.submission(
        message(headers: ["max-retries": value, "timeout-sec": value]))
      #expect(submission.maxRetries == 7)
      #expect(submission.timeout == .seconds(7))
    }
    for value in [
      FieldValue.double(0.5), .float(0.5), .decimal(scale: 1, value: 5), .string("0.5"),
    ] {
      let submission = try JobMessage.submission(
        message(headers: ["jitter": value, "retry-delay-sec": value]))
      #expect(submission.jitter == 0.5)
      #expect(submission.retryDelay == .milliseconds(500))
    }
  }

  @Test("headers with a prefix, and those of a trace, are the job's context")
  func context() throws {
    let submission = try JobMessage.submission(
      message(headers: [
        "context-request-id": "17", "context-": "nameless", "context-baggage": "k=1",
        "baggage": "k=2", "traceparent": .int64(7), "Context-X": "not ours",
      ]))
    #expect(submission.context == ["request-id": "17", "": "nameless", "baggage": "k=2"])
    let error = refusal(message(headers: ["context-n": .int64(7)]))
    #expect(error?.reason == .badHeader)
    #expect(error?.description.contains("context-n must be a text") == true)
  }

  @Test("each thing that is wrong is named")
  func refusals() throws {
    #expect(refusal(message(type: nil))?.reason == .badProperty)
    #expect(refusal(message(type: "checksum"))?.description.contains("group:name") == true)
    #expect(refusal(message(id: "7"))?.description.contains("message_id") == true)
    #expect(refusal(message(body: "{"))?.reason == .badBody)
    #expect(refusal(message(body: "[1]"))?.description.contains("not array") == true)
    for key in ["", String(repeating: "x", count: 256)] {
      let error = refusal(message(headers: ["idempotency-key": .string(key)]))
      #expect(error?.reason == .badHeader)
      #expect(error?.description.contains("idempotency-key") == true)
      #expect(error?.description.contains("1 to 255 bytes") == true)
    }
    for header in ["tenant-id", "user-id"] {
      let error = refusal(message(headers: [header: "x"]))
      #expect(error?.reason == .badHeader)
      #expect(error?.description.contains(header) == true)
    }
    for header in ["scheduled-at", "timeout-sec", "max-retries", "retry-delay-sec"] {
      for wrong in [FieldValue.string("soon"), .int64(-1)] {
        let error = refusal(message(headers: [header: wrong]))
        #expect(error?.reason == .badHeader)
        #expect(error?.description.contains(header) == true)
      }
    }
  }

  @Test("a header of any length makes no endless reason")
  func boundedReasons() throws {
    var message = Message(text: "{}", properties: MessageProperties(type: "files:checksum"))
    message.properties.headers["tenant-id"] = .bytes(Array(repeating: 7, count: 60_000))
    let error = #expect(throws: JobMessageError.self) { try JobMessage.submission(message) }
    let text = try #require(error).description
    #expect(text.contains("the header tenant-id must be a UUID"))
    #expect(text.utf8.count < 1_000)
  }
}
