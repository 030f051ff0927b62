import AMQP
import Foundation
import Jobs
import Testing

@testable import JobTransport

@Suite("CloudEvents as job messages")
struct CloudEventTests {
  private static let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

  private func binary(
    _ attributes: [String: FieldValue] = [:], prefix: String = "cloudEvents:",
    contentType: String? = "application/json", type: String? = nil, more: FieldTable = [:],
    body: String = #"{"path":"a"}"#
  ) -> Message {
    let usual: [String: FieldValue] = [
      "specversion": "1.0", "type": "files:checksum", "source": "/orders", "id": "4711",
    ]
    var headers = more
    for (name, value) in usual.merging(attributes, uniquingKeysWith: { $1 }) {
      headers[prefix + name] = value
    }
    var properties = MessageProperties(type: type)
    properties.contentType = contentType
    properties.headers = headers
    return Message(body: Array(body.utf8), properties: properties)
  }

  private func structured(
    _ members: [String: JSONValue] = [:], type media: String = "application/cloudevents+json",
    headers: FieldTable = [:]
  ) -> Message {
    let usual: [String: JSONValue] = [
      "specversion": "1.0", "type": "files:checksum", "source": "/orders", "id": "4711",
      "data": ["path": "a"],
    ]
    var properties = MessageProperties()
    properties.contentType = media
    properties.headers = headers
    let event = JSONValue.object(usual.merging(members, uniquingKeysWith: { $1 }))
    return Message(body: Array(event.text.utf8), properties: properties)
  }

  private func refusal(_ message: Message) -> JobMessageError? {
    do {
      _ = try JobMessage.submission(message)
      return nil
    } catch {
      return error
    }
  }

  private func expectRefusal(
    _ message: Message, _ reason: JobMessageError.Reason, _ words: String...,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = refusal(message)
    #expect(error?.reason == reason, "\(error as Any)", sourceLocation: sourceLocation)
    for word in words {
      #expect(
        error?.description.contains(word) == true, "\(error as Any)",
        sourceLocation: sourceLocation)
    }
  }

  @Test(
    "the attributes may be headers with any of the prefixes",
    arguments: ["cloudEvents:", "cloudEvents_", "ce-"])
  func binaryMode(prefix: String) throws {
    let submission = try JobMessage.submission(
      binary(
        [
          "time": "2018-04-05T03:56:24Z", "subject": "123", "traceparent": .string(Self.trace),
          "tracestate": "a=1", "sequence": 7, "sampled": true, "nothing": .void,
        ], prefix: prefix))
    #expect(submission.type.description == "files:checksum")
    #expect(submission.params == ["path": "a"])
    #expect(submission.idempotencyKey == "/orders 4711")
    #expect(submission.scheduledAt == nil)
    #expect(
      submission.context == [
        "ce-source": "/orders", "ce-id": "4711", "ce-time": "2018-04-05T03:56:24Z",
        "ce-subject": "123", "ce-sequence": "7", "ce-sampled": "true", "traceparent": Self.trace,
        "tracestate": "a=1",
      ])
    #expect(try CarriedContext.checked(submission.context) == submission.context)
  }

  @Test("or the whole event may be the body")
  func structuredMode() throws {
    for media in ["application/cloudevents+json", "Application/CloudEvents+JSON; charset=UTF-8"] {
      let submission = try JobMessage.submission(
        structured(["subject": "123", "count": 7, "dataschema": .null], type: media))
      #expect(submission.type.description == "files:checksum")
      #expect(submission.params == ["path": "a"])
      #expect(submission.idempotencyKey == "/orders 4711")
      #expect(
        submission.context == [
          "ce-source": "/orders", "ce-id": "4711", "ce-subject": "123", "ce-count": "7",
        ])
    }
    #expect(try JobMessage.submission(structured(["data": .null])).params == [:])
    #expect(
      try JobMessage.submission(structured(headers: ["cloudEvents_id": "4711"])).params
        == ["path": "a"])
  }

  @Test("the same source and id are the same job, whichever way they are spelled")
  func identity() throws {
    let key = try JobMessage.submission(binary()).idempotencyKey
    #expect(try JobMessage.submission(structured()).idempotencyKey == key)
    #expect(try JobMessage.submission(binary(["id": "4712"])).idempotencyKey != key)
    #expect(try JobMessage.submission(binary(["source": "/bills"])).idempotencyKey != key)
    #expect(
      try JobMessage.submission(binary(more: ["idempotency-key": "mine"])).idempotencyKey == "mine")
  }

  @Test("a key has no end: source and id of any length make one")
  func longIdentity() throws {
    let long = String(repeating: "x", count: 300)
    let key = try JobMessage.submission(binary(["id": .string(long)])).idempotencyKey
    #expect(key != nil)
    #expect(try JobMessage.submission(binary(["id": .string(long + "y")])).idempotencyKey != key)
  }

  @Test("Warren's own properties and headers go with an event as with any job message")
  func ownHeaders() throws {
    var message = binary(
      type: "files:checksum",
      more: ["max-retries": 3, "context-order": "17", "context-ce-id": "4711"])
    message.properties.messageID = "0190a0a0-0000-7000-8000-000000000001"
    message.properties.priority = 7
    message.properties.replyTo = "answers"
    let submission = try JobMessage.submission(message)
    #expect(submission.id?.description == "0190a0a0-0000-7000-8000-000000000001")
    #expect(submission.maxRetries == 3)
    #expect(submission.priority == 7)
    #expect(submission.reply?.address == "answers")
    #expect(submission.context["order"] == "17")
  }

  @Test("a trace of the message goes before the one of the event")
  func trace() throws {
    let submission = try JobMessage.submission(
      binary(
        ["traceparent": .string(Self.trace), "tracestate": "event=1"],
        more: ["traceparent": "00-1bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]))
    #expect(submission.context["traceparent"]?.hasPrefix("00-1bf") == true)
    #expect(submission.context["tracestate"] == nil)
  }

  @Test("values of AMQP's other types are read as the text that they stand for")
  func values() throws {
    let context = try JobMessage.submission(
      binary(["time": .timestamp(1_522_900_584), "signature": .bytes([1, 2, 3])])
    ).context
    #expect(context["ce-time"] == "2018-04-05T03:56:24Z")
    #expect(context["ce-signature"] == "AQID")
    for value in [FieldValue.double(1), .array([]), .table([:]), .timestamp(.max)] {
      expectRefusal(binary(["subject": value]), .badHeader, "subject", "text")
    }
  }

  @Test("what is no event is refused, with what it lacks")
  func incomplete() {
    var bare = binary()
    bare.properties.headers = ["cloudEvents_type": "files:checksum"]
    expectRefusal(bare, .badHeader, "lacks specversion, source, id")
    expectRefusal(binary(["id": ""]), .badHeader, "lacks id")
    expectRefusal(structured(["source": .null]), .badBody, "lacks source")
    expectRefusal(binary(["specversion": "0.3"]), .badHeader, "1.0", "0.3")
    expectRefusal(binary(["source": "a b"]), .badHeader, "source", "URI")
    expectRefusal(binary(["type": "com.example.order"]), .badHeader, "group:name")
    expectRefusal(binary(["Subject": "x"]), .badHeader, "Subject", "a to z")
    expectRefusal(structured(["sub_ject": "x"]), .badBody, "sub_ject", "a to z")
    expectRefusal(structured(["subject": [1]]), .badBody, "subject", "array")
  }

  @Test("what says one thing here and another there is refused, with both")
  func disagreement() {
    expectRefusal(
      binary(type: "files:wordcount"), .badProperty, "files:wordcount", "files:checksum")
    expectRefusal(
      binary(more: ["type": "files:wordcount"]), .badProperty, "files:wordcount", "files:checksum")
    expectRefusal(
      binary(more: ["context-ce-id": "1"]), .badHeader, "context-ce-id", "'1'", "'4711'")
    expectRefusal(
      structured(headers: ["cloudEvents:id": "1"]), .badHeader, "cloudEvents:id", "'1'", "'4711'")
    expectRefusal(
      binary(more: ["cloudEvents_subject": "x"]), .badHeader, "cloudEvents_", "cloudEvents:")
    expectRefusal(
      binary(["datacontenttype": "text/json"]), .badProperty, "text/json", "application/json")
  }

  @Test("data that are no JSON object are no params")
  func data() throws {
    for media in ["text/plain", "application/xml; charset=utf-8"] {
      expectRefusal(binary(contentType: media), .badProperty, "application/json")
    }
    for media in [nil, "application/json; charset=utf-8", "application/vnd.acme+json"] {
      #expect(try JobMessage.submission(binary(contentType: media)).params == ["path": "a"])
    }
    expectRefusal(binary(body: "[1]"), .badBody, "not array")
    #expect(try JobMessage.submission(binary(body: "")).params == [:])
    expectRefusal(structured(["data": "text"]), .badBody, "data", "string")
    expectRefusal(structured(["data_base64": "e30="]), .badBody, "data_base64")
    expectRefusal(structured(["datacontenttype": "text/plain"]), .badProperty, "text/plain")
    for media in ["application/cloudevents-batch+json", "application/cloudevents+avro"] {
      expectRefusal(structured(type: media), .badProperty, "application/cloudevents+json")
    }
    var torn = structured()
    torn.body = Array("{".utf8)
    expectRefusal(torn, .badBody, "CloudEvent")
  }

  @Test("attributes of any length make no endless reason")
  func boundedReasons() {
    let long = String(repeating: "👩‍👩‍👧‍👦", count: 2_000)
    for name in ["specversion", "type", "source", "id", "datacontenttype", "x\(long)"] {
      if let error = refusal(binary([name: .string(long)])) {
        #expect(error.description.utf8.count <= 900, "\(name)")
      } else {
        #expect(["source", "id"].contains(name))
      }
    }
  }
}
