import AMQP
import Foundation
import Jobs
import Testing

@testable import JobTransport

@Suite("Cancel messages")
struct CancelMessageTests {
  private func message(_ body: String, headers: FieldTable = [:]) -> Message {
    var properties = MessageProperties()
    properties.type = "warren.cancel"
    properties.headers = headers
    return Message(body: Array(body.utf8), properties: properties)
  }

  @Test("what is written is read back")
  func roundTrip() throws {
    var keyed = JobCancellation(job: JobID())
    keyed.idempotencyKey = "order 17"
    for cancellation in [
      keyed, JobCancellation(job: JobID()),
      JobCancellation(job: JobID(), tenantID: UUID(), reason: "ä \"b\""),
    ] {
      let message = CancelMessage.message(cancellation)
      #expect(CancelMessage.isOne(message))
      #expect(message.properties.deliveryMode == .persistent)
      #expect(try CancelMessage.cancellation(message) == cancellation)
    }
  }

  @Test("the type may be a header; a job message is none")
  func kind() throws {
    var shell = message(#"{"job": "\#(JobID())"}"#)
    shell.properties.type = nil
    #expect(!CancelMessage.isOne(shell))
    shell.properties.headers["type"] = .string("warren.cancel")
    #expect(CancelMessage.isOne(shell))
    let job = JobSubmission(type: try JobTypeID("warren:cancel"))
    #expect(!CancelMessage.isOne(JobMessage.message(job)))
  }

  @Test(
    "what is no cancellation is refused, and the error says what would be right",
    arguments: [
      "", "no", "[]", "{}", #"{"job": 7}"#, #"{"job": "x"}"#,
      #"{"job": "01890a5d-ac96-774b-bcce-b302099a8057", "reason": 7}"#,
      #"{"job": "01890a5d-ac96-774b-bcce-b302099a8057", "why": "x"}"#,
      #"{"job": "01890a5d-ac96-774b-bcce-b302099a8057", "reason": "\#(String(repeating: "a", count: 1001))"}"#,
    ])
  func wrong(_ body: String) {
    let error = #expect(throws: JobMessageError.self) {
      try CancelMessage.cancellation(message(body))
    }
    #expect(error?.reason == .badBody)
    #expect(error?.description.contains(#"{"job": "<UUID>""#) == true)
  }

  @Test("a tenant that is no UUID is refused")
  func tenant() {
    let error = #expect(throws: JobMessageError.self) {
      try CancelMessage.cancellation(
        message(#"{"job": "\#(JobID())"}"#, headers: ["tenant-id": .string("me")]))
    }
    #expect(error?.reason == .badHeader)
  }
}
