import FakeAPI
import Foundation
import Jobs
import Synchronization
import Testing

@testable import JobClient

@Suite("Streams of events, as a client reads them", .timeLimit(.minutes(1)))
struct JobEventsTests {
  private static func parse(_ text: String, by size: Int = .max) throws -> (
    [EventStreamParser.Event], EventStreamParser
  ) {
    var parser = EventStreamParser()
    var events: [EventStreamParser.Event] = []
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      events += try parser.read(rest.prefix(size))
      rest = rest.dropFirst(size)
    }
    return (events, parser)
  }

  @Test("are read as the standard says, however they are cut", arguments: [1, 2, 3, 7, .max])
  func standard(size: Int) throws {
    let text =
      "\u{FEFF}: a comment\nretry: 250\nid: 7\n\nevent: a\ndata: one\ndata:two\n\n"
      + "data: x\r\nid\r\n\r\ndata\r\rdata: y: z\rid: 9\rother: 1\r\rdata: cut off\n"
    let (events, parser) = try Self.parse(text, by: size)
    #expect(
      events == [
        .init(name: "a", data: "one\ntwo", lastID: "7"),
        .init(data: "x", lastID: ""), .init(data: "", lastID: ""),
        .init(data: "y: z", lastID: "9"),
      ])
    #expect(parser.retry == 250)
    #expect(parser.lastID == "9")
  }

  @Test("an id without an event counts, and one of an event that is cut off does not")
  func ids() throws {
    #expect(try Self.parse("id: 4\n\nid: 5\ndata: x\n").1.lastID == "4")
    #expect(try Self.parse("id: 4\n\nid: a\0b\n\n").1.lastID == "4")
    #expect(try Self.parse("retry: 1x\n\n").1.retry == nil)
  }

  @Test("an event without end is refused")
  func tooLong() {
    #expect(throws: EventStreamParser.TooLong()) {
      try Self.parse("data: " + String(repeating: "x", count: EventStreamParser.mostBytes + 1))
    }
  }

  private static func event(_ sequence: Int64, _ job: JobID = JobID()) throws -> JobEvent {
    JobEvent(
      sequence: sequence, job: job, type: try JobTypeID("a:b"), queue: .compute, from: nil,
      to: .waiting, at: Timestamp(milliseconds: 1), attempt: 0, worker: nil, reason: nil)
  }

  private static func text(_ event: JobEvent) -> String {
    "id: \(event.sequence)\nevent: transition\ndata: \(String(decoding: event.json, as: UTF8.self))\n\n"
  }

  @Test("go on after the last one when the connection ends, with the filter as it was")
  func reconnects() async throws {
    let events = try (1...3).map { try Self.event($0) }
    let asked = Mutex(0)
    try await FakeAPI({ _ in
      let number = asked.withLock { number in
        number += 1
        return number
      }
      var answer = FakeAPI.Answer(200, contentType: "text/event-stream")
      answer.body =
        switch number {
        case 1: "retry: 10\nid: 0\n\n" + Self.text(events[0]) + "id: 2\nevent: transition\n"
        case 2: Self.text(events[1]) + "event: unknown\ndata: x\n\n"
        default: Self.text(events[2]) + "event: end\ndata: {\"status\":\"completed\"}\n\n"
        }
      return answer
    }).serve { api in
      var told: [JobStreamEvent] = []
      let client = try JobClient(server: api.url)
      for try await event in client.events(JobEventFilter(statuses: [.waiting, .failed])) {
        told.append(event)
      }
      #expect(
        told == events.map { .transition($0) } + [.end(JobEventsEnd(status: .completed))])
      #expect(api.calls.map { $0.headers["last-event-id"] } == [nil, "1", "2"])
      #expect(api.calls.allSatisfy { $0.target == "/events?status=waiting%2Cfailed" })
      #expect(api.calls[0].headers["accept"] == "text/event-stream")
    }
  }

  @Test("end where the server says that nothing is left")
  func noContent() async throws {
    try await FakeAPI({ _ in FakeAPI.Answer(204) }).serve { api in
      let events = try JobClient(server: api.url).events(of: JobID(), after: 3)
      var iterator = events.makeAsyncIterator()
      #expect(try await iterator.next() == nil)
      #expect(api.calls.map { $0.headers["last-event-id"] } == ["3"])
    }
  }

  @Test("a refusal is thrown at once")
  func refused() async throws {
    let problem = Problem(type: "/problems/not-found", title: "t", status: 404, detail: "d")
    try await FakeAPI({ _ in try .problem(problem) }).serve { api in
      let client = try JobClient(server: api.url)
      await #expect(throws: JobClientError.problem(problem)) {
        for try await _ in client.events(of: JobID()) {}
      }
    }
  }

  @Test("a stream that there is no room for now is asked for again, also at first")
  func noRoom() async throws {
    let problem = Problem(type: "/problems/too-many-streams", title: "t", status: 503, detail: "d")
    let asked = Mutex(0)
    try await FakeAPI({ _ in
      let number = asked.withLock { number in
        number += 1
        return number
      }
      return number == 1 ? try .problem(problem, retryAfter: 1) : FakeAPI.Answer(204)
    }).serve { api in
      let events = try JobClient(server: api.url).events(of: JobID(), after: 3)
      var iterator = events.makeAsyncIterator()
      #expect(try await iterator.next() == nil)
      #expect(api.calls.count == 2)
    }
  }

  @Test("the history is asked for by number")
  func history() async throws {
    let history = JobHistory(events: [try Self.event(4)], next: 4)
    try await FakeAPI({ _ in try .json(200, history) }).serve { api in
      let id = JobID()
      let client = try JobClient(server: api.url)
      #expect(try await client.history(of: id, after: 3) == history)
      #expect(api.calls.map(\.target) == ["/jobs/\(id)/history?after=3"])
    }
  }
}
