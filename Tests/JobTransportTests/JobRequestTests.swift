import AMQP
import Foundation
import Jobs
import Testing

@testable import JobTransport

@Suite("What producers ask about jobs")
struct LookupMessageTests {
  private func message(_ body: String, tenant: String? = nil) -> Message {
    var message = Message(text: body)
    if let tenant { message.properties.headers = ["tenant-id": .string(tenant)] }
    return message
  }

  @Test("requests survive the way")
  func roundTrips() throws {
    let ids = [JobID(), JobID()]
    for request in [
      JobRequest.get(ids), .tellEnd(ids), .getKey("order-7"), .watch(ids[0], for: .seconds(300)),
      .watch(ids[0], for: .zero),
    ] {
      for tenant in [UUID.zero, UUID()] {
        let message = try request.message(tenant: tenant, patience: .seconds(5))
        #expect(message.properties.expiration == "5000")
        let read = try JobRequest.read(message)
        #expect(read.request == request)
        #expect(read.tenant == tenant)
      }
    }
  }

  @Test("what no server answers is not written")
  func unwritable() throws {
    for request in [
      JobRequest.get([]), .tellEnd((0...1_000).map { _ in JobID() }),
      .watch(JobID(), for: .seconds(301)), .watch(JobID(), for: .seconds(-1)),
    ] {
      #expect(throws: LookupError.self) { try request.message() }
    }
  }

  @Test("a watch is for a minute unless it is said")
  func usualWatch() throws {
    let id = JobID()
    for rest in ["", #", "seconds": null"#] {
      let read = try JobRequest.read(message(#"{"watch": "\#(id)"\#(rest)}"#))
      #expect(read.request == .watch(id, for: .seconds(60)))
    }
  }

  @Test(
    "what is wrong with a request is named",
    arguments: [
      ("", "JSON object"), ("[]", "array"), ("{}", "exactly one of get, get_key, tell_end, watch"),
      (#"{"get": ["00000000-0000-7000-8000-000000000001"], "get_key": "a"}"#, "exactly one"),
      (#"{"fetch": []}"#, "'fetch'"), (#"{"get": []}"#, "1 to 1000"), (#"{"get": "x"}"#, "array"),
      (#"{"get": ["x"]}"#, "UUID"), (#"{"tell_end": [7]}"#, "UUID"), (#"{"get_key": 7}"#, "text"),
      (#"{"get_key": ""}"#, "1 to 255 bytes"), (#"{"watch": []}"#, "UUID"),
      (#"{"watch": "00000000-0000-7000-8000-000000000001", "seconds": 301}"#, "0 to 300"),
      (#"{"watch": "00000000-0000-7000-8000-000000000001", "seconds": 1.5}"#, "0 to 300"),
      (#"{"get_key": "a", "seconds": 5}"#, "goes with watch"),
    ])
  func refusals(body: String, remedy: String) throws {
    let error = try #require(throws: LookupError.self) {
      try JobRequest.read(message(body))
    }
    #expect(error.description.contains(remedy), "\(error)")
  }

  @Test("a request has at most 1,000 jobs, 128 KiB, and a tenant that is a UUID")
  func bounds() throws {
    func get(_ count: Int) -> Message {
      let ids = (0..<count).map { _ in #""\#(JobID())""# }.joined(separator: ", ")
      return message(#"{"get": [\#(ids)]}"#)
    }
    #expect(throws: Never.self) { try JobRequest.read(get(1_000)) }
    #expect(throws: LookupError.self) { try JobRequest.read(get(1_001)) }
    let long = message(#"{"get_key": "a"}"# + String(repeating: " ", count: 128 << 10))
    #expect(throws: LookupError.self) { try JobRequest.read(long) }
    let error = try #require(throws: LookupError.self) {
      try JobRequest.read(message(#"{"get_key": "a"}"#, tenant: "x"))
    }
    #expect(error.description.contains("tenant-id"))
  }

  private func job(_ params: JSONValue = [:]) throws -> Job {
    Job(
      id: JobID(), tenantID: .zero, userID: .zero, idempotencyKey: UUID(),
      type: try JobTypeID("a:b"), queue: .compute, params: params, timeout: .zero,
      retry: RetryPolicy(maxRetries: 0), scheduledAt: Timestamp(milliseconds: 1),
      createdAt: Timestamp(milliseconds: 1))
  }

  @Test("an answer has the jobs as the API shows them, in the order asked")
  func answers() throws {
    let jobs = [try job(["x": "ä/\u{1}"]), try job()]
    let unknown = JobID()
    let asked = [jobs[1].id, unknown, jobs[0].id]
    var room = 1 << 20
    let message = LookupMessage.answer(asked, room: &room, correlationID: "c") { id in
      .known(jobs.first { $0.id == id })
    }
    #expect(message.properties.correlationID == "c")
    let answer = try JobRequest.Answer(message)
    #expect(answer.jobs == [jobs[1], nil, jobs[0]])
    #expect(answer.unknown == [unknown])
    #expect(answer.more == nil)
    #expect(try JobNews.read(message) == [.job(jobs[1]), .job(jobs[0]), .unknown(unknown)])
    let body = try #require(try JSONValue(parsing: message.body).members)
    #expect(body.keys.sorted() == ["jobs", "unknown"])
    #expect(room < 1 << 20)
  }

  @Test("what does not fit is named, and what follows it")
  func room() throws {
    let jobs = try (0..<5).map { _ in try job(["x": .string(String(repeating: "y", count: 1_000))])
    }
    var room = 4_000
    let ids = jobs.map(\.id)
    let answer = try JobRequest.Answer(
      LookupMessage.answer(ids, room: &room, correlationID: nil) { id in
        .known(jobs.first { $0.id == id })
      })
    #expect((1...3).contains(answer.jobs.count))
    #expect(answer.more == Array(ids.dropFirst(answer.jobs.count)))
    // Another answer of the same batch has what is left, however little.
    let next = try JobRequest.Answer(
      LookupMessage.answer(ids, room: &room, correlationID: nil) { _ in .left })
    #expect(next.jobs.isEmpty)
    #expect(next.more == ids)
  }

  @Test("one answer has 4 MiB at most")
  func largest() throws {
    let big = try job(["x": .string(String(repeating: "y", count: 1 << 20))])
    var room = Int.max
    let message = LookupMessage.answer(
      (0..<10).map { _ in big.id }, room: &room, correlationID: nil
    ) { _ in .known(big) }
    #expect(message.body.count < (4 << 20) + 2_000)
    #expect(try JobRequest.Answer(message).jobs.count == 3)
    #expect(try JobRequest.Answer(message).more?.count == 7)
  }

  @Test("a job that is larger than that is an answer of its own, unless others are answered before")
  func tooLarge() throws {
    let huge = try job(["x": .string(String(repeating: "y", count: 5 << 20))])
    var room = 8 << 20
    func answer() throws -> JobRequest.Answer {
      try JobRequest.Answer(
        LookupMessage.answer(
          [huge.id, huge.id], room: &room, of: 8 << 20, correlationID: nil
        ) { _ in .known(huge) })
    }
    let first = try answer()
    #expect(first.jobs.count == 1 && first.more?.count == 1)
    let second = try answer()
    #expect(second.jobs.isEmpty && second.more?.count == 2)
  }

  @Test("the message of a job's end is news")
  func ends() throws {
    let job = try job()
    let message = try WireCoding.message(job, for: JobReply(address: "a", correlationID: "c"))
    #expect(try JobNews.read(message) == [.job(job)])
    var spoilt = message
    spoilt.body = [0x7B]
    #expect(throws: LookupError.self) { try JobNews.read(spoilt) }
  }

  @Test("a refusal has the server's words")
  func refusal() throws {
    let message = LookupMessage.refusal(LookupError("no"), correlationID: "c")
    #expect(message.properties.correlationID == "c")
    #expect(try JSONValue(parsing: message.body) == ["error": "no"])
    #expect(throws: LookupError("no")) { try JobRequest.Answer(message) }
    for body in ["", "{}", #"{"jobs": 1}"#, "[]"] {
      #expect(throws: LookupError.self) { try JobRequest.Answer(Message(text: body)) }
    }
  }
}
