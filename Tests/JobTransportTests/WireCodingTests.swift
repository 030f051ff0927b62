import AMQP
import Foundation
import Jobs
import Logging
import Testing

@testable import JobTransport

@Suite("Warren's own messages")
struct WireCodingTests {
  private let job = JobID()
  private let worker = WorkerID(rawValue: "w-1")

  @Test("tickets, claims, answers, reports, commands and replies survive the way")
  func roundTrips() throws {
    let type = try JobTypeID("files:checksum")
    #expect(WireCoding.isTicket(WireCoding.ticket()))
    #expect(WireCoding.ticket().body.isEmpty)

    let claim = ClaimRequest(
      worker: worker, epoch: 3, queue: .compute, count: 7, types: [type])
    #expect(try WireCoding.claims(WireCoding.message([claim])) == [claim])
    #expect(try WireCoding.claims(WireCoding.message([claim.repeated])) == [claim.repeated])

    let assignment = JobAssignment(
      job: job, type: type, attempt: 2, retries: 1, params: ["path": "a"], timeout: .seconds(60),
      snapshot: [1])
    let traced = JobAssignment(
      job: job, type: type, attempt: 1, context: ["baggage": "k=v", "a": "é\u{0}"],
      createdAt: Timestamp(milliseconds: 1), scheduledAt: Timestamp(milliseconds: 1 << 45))
    let answers = [
      ClaimAnswer(jobs: [assignment, traced], rest: .again),
      ClaimAnswer(jobs: [], rest: .void), ClaimAnswer(jobs: [], rest: .park),
      ClaimAnswer(jobs: [], rest: .unregistered),
    ]
    #expect(try WireCoding.answers(WireCoding.message(answers)) == answers)

    let announcement = WorkerMessage.announcement(
      WorkerAnnouncement(
        worker: worker, host: "h", processID: 1, startedAt: .now, queues: [], groups: [],
        types: [], epoch: 4, parked: [.compute], running: [RunningAttempt(job: job, attempt: 1)]))
    #expect(try WireCoding.received(WireCoding.message(announcement)).understood == announcement)

    let outcomes: [JobOutcome] = [
      .completed(result: nil), .completed(result: ["a": .null]),
      .failed(error: "no", permanent: true), .timedOut(error: "late"), .skipped(reason: "done"),
      .canceled, .returned, .retryAfter(error: "busy", delay: .seconds(30), counted: true),
      .retryAfter(error: "", delay: .milliseconds(1), counted: false),
      .snoozed(.seconds(30), reason: "early"), .snoozed(.zero, reason: nil),
    ]
    let reports = WorkerMessage.reports(
      outcomes.map { JobReport(job: job, attempt: 2, worker: worker, content: .ended($0)) }
        + [
          .progress(JobProgress(50, "half")), .progress(JobProgress(0)),
          .progress(JobProgress(nil, "half")),
          .snapshot(["page": 3]),
          .policy(
            RetryPolicy(maxRetries: 3, delay: .seconds(1), backoff: .exponential, jitter: 0.5),
            timeout: 5),
          .policy(.never, timeout: nil),
          .log(
            JobLogSet(
              first: 7,
              lines: (0..<JobLogSet.mostLines).map {
                .init(time: Timestamp(milliseconds: 5), level: .warning, text: "line \($0)")
              })),
        ].map { JobReport(job: job, attempt: 2, worker: worker, content: $0) })
    #expect(try WireCoding.received(WireCoding.message(reports)).understood == reports)
    for message in [WorkerMessage.farewell(worker), .mark(UUID())] {
      #expect(try WireCoding.received(WireCoding.message(message)).understood == message)
    }

    for command in [
      ControlCommand.cancel(job: job, attempt: 1),
      .cancel(job: job, attempt: 1, reason: "no longer needed"), .stop(job: job, attempt: 1),
      .released(job: job, attempt: 1), .suspend(job: job, attempt: 1), .ping,
      .renew(.compute), .wake(.compute), .call(.resume, traced), .announce,
      .reportAgain(job: job, attempt: 2),
      .confirm([RunningAttempt(job: job, attempt: 1), RunningAttempt(job: JobID(), attempt: 2)]),
    ] {
      #expect(try WireCoding.command(WireCoding.message(command)) == command)
    }
    for reply in [
      ControlReply.attempts([.running, .reported, .unknown]), .done, .failed("no"),
      .unknownCallback,
    ] {
      #expect(try WireCoding.reply(WireCoding.message(reply)) == reply)
    }
  }

  @Test("are of the fourth version")
  func version() throws {
    // What a worker and a server tell each other has changed since the third.
    #expect(WireVersion.current == 4)
    #expect(WireCoding.version(of: try WireCoding.message(.farewell(worker))) == 4)
  }

  @Test("a progress that is none is refused, and one that is too much is 100")
  func progress() throws {
    // No report of ours has another percentage than is allowed: it is changed on its way.
    let report = JobReport(
      job: job, attempt: 1, worker: worker, content: .progress(JobProgress(50)))
    let message = try WireCoding.message(.reports([report]))
    func bytes(_ number: Double) -> [UInt8] {
      withUnsafeBytes(of: number.bitPattern.littleEndian, Array.init)
    }
    func received(_ percent: Double) throws -> ReceivedWorkerMessage {
      var changed = message
      changed.body = Array(message.body.replacing(bytes(50), with: bytes(percent)))
      return try WireCoding.received(changed)
    }
    for wrong in [-0.1, -.infinity, .nan] {
      let received = try received(wrong)
      #expect(received.understood == nil)
      #expect(received.malformed.count == 1)
    }
    guard case .reports(let reports) = try received(250).understood else {
      Issue.record("not understood")
      return
    }
    #expect(reports.map(\.content) == [.progress(JobProgress(100))])
  }

  @Test("lines of a log that no worker reports are refused, and nothing beside them")
  func badLogs() throws {
    let line = JobLogSet.Line(time: .now, level: .info, text: "x")
    let good = JobReport(job: job, attempt: 2, worker: worker, content: .ended(.returned))
    for set in [
      JobLogSet(first: 0, lines: [line]), JobLogSet(first: .max, lines: [line]),
      JobLogSet(first: 1, lines: []),
      JobLogSet(first: 1, lines: Array(repeating: line, count: JobLogSet.mostLines + 1)),
    ] {
      let bad = JobReport(job: job, attempt: 2, worker: worker, content: .log(set))
      let received = try WireCoding.received(WireCoding.message(.reports([bad, good])))
      #expect(received.understood == .reports([good]))
      #expect(received.malformed.count == 1)
    }
  }

  private func message(_ type: String, _ body: [UInt8]) -> Message {
    Message(body: body, properties: MessageProperties(type: type))
  }

  @Test("a message of another type is no ticket")
  func notATicket() {
    #expect(!WireCoding.isTicket(message("files:checksum", [])))
  }

  @Test("a body that is not what its type says is refused")
  func broken() {
    #expect(throws: WireError.self) {
      try WireCoding.claims(message("warren.claims", Array("{".utf8)))
    }
    #expect(throws: WireError.self) {
      try WireCoding.received(message("warren.worker", [0xFF]))
    }
  }

  @Test("payloads go over the wire byte by byte, whatever they are")
  func opaque() throws {
    let payload = JSONPayload(bytes: Data([0xFF, 0x00, 0x7B]))
    let report = JobReport(
      job: job, attempt: 1, worker: worker, content: .ended(.completed(result: payload)))
    #expect(
      try WireCoding.received(WireCoding.message(.reports([report]))).understood
        == .reports([report]))
    let answer = ClaimAnswer(
      jobs: [JobAssignment(job: job, type: try JobTypeID("a:b"), attempt: 1, params: payload)],
      rest: .void)
    #expect(try WireCoding.answers(WireCoding.message([answer])) == [answer])
  }

  @Test("a small message of very many reports or claims is refused before it is taken apart")
  func many() throws {
    func nested(_ tag: UInt8, _ body: [UInt8]) -> [UInt8] {
      var length = body.count
      var bytes = [tag]
      while length > 127 {
        bytes.append(UInt8(length & 127) | 128)
        length >>= 7
      }
      return bytes + [UInt8(length)] + body
    }
    func empty(_ tag: UInt8, _ count: Int) -> [UInt8] {
      Array(repeatElement([tag, 0], count: count).joined())
    }
    let reports = nested(0x12, empty(0x0A, 10_001))
    let error = #expect(throws: WireError.self) {
      try WireCoding.received(message("warren.worker", reports))
    }
    #expect(error?.description.contains("too many parts") == true)
    #expect(throws: WireError.self) {
      try WireCoding.claims(message("warren.claims", empty(0x0A, 10_001)))
    }
    #expect(throws: WireError.self) {
      try WireCoding.claims(message("warren.claims", nested(0x0A, empty(0x3A, 20_001))))
    }
    // Members that can be there once, each merged into the last: reports, a mark, an outcome within a report.
    let merged: [[UInt8]] = [
      Array(repeatElement([0x12, 2, 8, 0], count: 17).joined()), empty(0x22, 17),
      nested(0x12, nested(0x0A, empty(0x3A, 65))),
      nested(0x12, nested(0x0A, nested(0x3A, empty(0x0A, 129)))),
      nested(0x12, nested(0x0A, nested(0x42, empty(0x12, 129)))),
      nested(0x12, nested(0x0A, nested(0x3A, nested(0x3A, empty(0x0A, 65))))),
      nested(0x12, nested(0x0A, nested(0x3A, nested(0x42, empty(0x12, 65))))),
    ]
    for body in merged {
      let error = #expect(throws: WireError.self) {
        try WireCoding.received(message("warren.worker", body))
      }
      #expect(error?.description.contains("too many parts") == true)
    }
    // What is cut off, or of other kinds, ends the scan, and is the decoder's affair.
    for body in [[0x09, 1, 2], [0x0D, 1], [0x12, 0x7F, 1], [0x07]] as [[UInt8]] {
      let error = #expect(throws: WireError.self) {
        try WireCoding.received(message("warren.worker", body))
      }
      #expect(error?.description.contains("too many parts") == false)
    }
    // As many as are allowed are read: each says nothing.
    let most = try WireCoding.received(
      message("warren.worker", nested(0x12, empty(0x0A, 10_000))))
    #expect(most.malformed.count == 10_000)
  }

  @Test("the bound of a report's size is not below what it has on the wire, and not far above")
  func reportSizes() throws {
    let text = String(repeating: "x", count: 10_000)
    let contents: [JobReport.Content] = [
      .progress(JobProgress(50, text)), .snapshot(JSONPayload(.string(text))),
      .policy(RetryPolicy(maxRetries: 3), timeout: .max),
      .ended(.completed(result: [.string(text)])),
      .ended(.completed(result: nil)), .ended(.failed(error: text, permanent: true)),
      .ended(.timedOut(error: text)), .ended(.skipped(reason: text)), .ended(.returned),
      .ended(.retryAfter(error: text, delay: .milliseconds(Int64.max), counted: true)),
      .ended(.snoozed(.milliseconds(Int64.max), reason: text)),
    ]
    for content in contents {
      let report = JobReport(
        job: job, attempt: .max, worker: WorkerID(rawValue: String(repeating: "w", count: 64)),
        content: content)
      let size = try WireCoding.message(.reports([report])).body.count
      #expect(report.sizeBound >= size, "\(content)")
      #expect(report.sizeBound < size + 600, "\(content)")
    }
  }

  @Test("every UUID is the same behind the wire")
  func uuids() {
    for uuid in [UUID.zero, UUID(), job.uuid] + (0..<100).map({ _ in UUID() }) {
      #expect(WireID(uuid).uuid == uuid)
    }
  }

  @Test("a body that opens more levels than a decoder can take is refused, and ends no process")
  func endless() {
    let body = Array(String(repeating: "[", count: 513).utf8)
    let message = Message(body: body, properties: MessageProperties(type: "warren.command"))
    #expect(throws: WireError.self) { try WireCoding.command(message) }
  }

  @Test("names follow the prefix, and a prefix is a name")
  func names() throws {
    let names = try TransportNames(prefix: "acme")
    #expect(names.queue(.compute) == "acme.compute")
    #expect(names.worker(worker) == "acme.worker.w-1")
    #expect(throws: NameError.self) { try TransportNames(prefix: "a.b") }
  }
}
