import Foundation
import Jobs
import Testing

@testable import JobServer

@Suite("What is newest of the transition log") struct EventFeedTests {
  private static func event(
    _ sequence: Int64, _ to: JobStatus = .waiting, tenant: UUID = .zero, reason: String? = nil
  ) throws -> LoggedEvent {
    LoggedEvent(
      JobEvent(
        sequence: sequence, job: JobID(), type: try JobTypeID("files:count"), queue: .compute,
        from: nil, to: to, at: Timestamp(milliseconds: 0), attempt: 0, worker: nil,
        reason: reason), tenant: tenant)
  }

  private static func page(_ events: [LoggedEvent], _ removed: [UUID: Int64] = [:]) -> EventPage {
    EventPage(
      events: events, position: events.last?.event.sequence ?? 0, isEnd: true, removed: removed)
  }

  @Test("hands out what follows a place, and nothing that it does not have whole")
  func places() throws {
    var newest = NewestEvents(after: 10)
    newest.append(Self.page([try Self.event(11), try Self.event(13), try Self.event(14)]))
    func found(after place: Int64) -> [Int64]? {
      newest.page(after: place, matching: EventFilter(), limit: 99)?.events
        .map(\.event.sequence)
    }
    #expect(found(after: 9) == nil)
    #expect(found(after: 10) == [11, 13, 14])
    #expect(found(after: 11) == [13, 14])
    #expect(found(after: 12) == [13, 14])
    #expect(found(after: 14) == [])
    #expect(found(after: 20) == [])
  }

  @Test("goes on where a part ended, and passes what a filter leaves out")
  func parts() throws {
    var newest = NewestEvents(after: 0)
    newest.append(
      Self.page(try (1...10).map { try Self.event($0, $0 % 2 == 0 ? .running : .waiting) }))
    let filter = EventFilter(statuses: [.running])
    let first = try #require(newest.page(after: 0, matching: filter, limit: 3))
    #expect(first.events.map(\.event.sequence) == [2, 4, 6])
    #expect(!first.isEnd)
    let second = try #require(newest.page(after: first.position, matching: filter, limit: 3))
    #expect(second.events.map(\.event.sequence) == [8, 10])
    #expect(second.isEnd)
    #expect(second.position == 10)
    let none = EventFilter(statuses: [.failed])
    #expect(newest.page(after: 3, matching: none, limit: 3)?.position == 10)
  }

  @Test("is bounded in number and bytes, and says where it begins")
  func bounds() throws {
    var newest = NewestEvents(after: 0)
    for start in stride(from: Int64(1), to: 25_000, by: 1000) {
      newest.append(Self.page(try (start..<start + 1000).map { try Self.event($0) }))
      #expect(newest.count <= NewestEvents.most)
    }
    #expect(newest.page(after: 1, matching: EventFilter(), limit: 1) == nil)
    #expect(
      newest.page(after: newest.base, matching: EventFilter(), limit: 1)?.events.first?.event
        .sequence == newest.base + 1)
    let reason = String(repeating: "x", count: 1 << 20)
    for sequence in Int64(30_000)..<30_020 {
      newest.append(Self.page([try Self.event(sequence, reason: reason)]))
    }
    #expect(newest.count < 9)
  }

  @Test("remembers what is gone, for those who had not read so far")
  func removed() throws {
    let other = UUID()
    var newest = NewestEvents(after: 0)
    newest.append(Self.page([try Self.event(1)], [.zero: 3, other: 2]))
    func removed(after place: Int64, _ tenant: UUID?) -> [UUID: Int64]? {
      newest.page(after: place, matching: EventFilter(tenant: tenant), limit: 9)?.removed
    }
    #expect(removed(after: 0, nil) == [.zero: 3, other: 2])
    #expect(removed(after: 1, other) == [other: 2])
    #expect(removed(after: 3, .zero) == [:])
    #expect(removed(after: 0, UUID()) == [:])
  }

  @Test("slots are free again when whoever has them is gone")
  func slots() throws {
    let slots = StreamSlots(most: 2, share: 2)
    var taken = [try slots.take(for: .zero), try slots.take(for: .zero)]
    #expect(throws: StreamSlots.Full.server) { try slots.take(for: UUID()) }
    taken.removeLast()
    #expect(slots.count == 1)
    #expect(throws: Never.self) { try slots.take(for: UUID()) }
  }

  @Test("one tenant has a share of the slots, a quarter unless it is said, and the others the rest")
  func shares() throws {
    #expect([1, 4, 9, 256].map { StreamSlots(most: $0).share } == [1, 1, 2, 64])
    let slots = StreamSlots(most: 4, share: 2)
    let (one, other) = (UUID(), UUID())
    var taken = [try slots.take(for: one), try slots.take(for: one)]
    #expect(throws: StreamSlots.Full.tenant) { try slots.take(for: one) }
    taken.append(try slots.take(for: other))
    taken.removeFirst()
    taken.append(try slots.take(for: one))
    #expect(throws: StreamSlots.Full.tenant) { try slots.take(for: one) }
    #expect(slots.count == taken.count)
  }

  @Test("a stream begins where its reader has stopped, or anew where the log is another one")
  func start() {
    #expect(StreamStart(after: nil, newest: 9, beginning: 9).position == 9)
    #expect(StreamStart(after: 4, newest: 9, beginning: 9).position == 4)
    #expect(StreamStart(after: 9, newest: 9, beginning: 0).missed == nil)
    let other = StreamStart(after: 10, newest: 9, beginning: 0)
    #expect(other.position == 0)
    #expect(other.missed?.after == 10)
    #expect(other.missed?.to == 9)
  }

  @Test("events are written as the standard has them")
  func text() throws {
    var text = ServerSentEvents()
    text.begin(retry: .seconds(1), at: 4)
    try text.event("end", JobEventsEnd(status: .completed))
    text.heartbeat(at: 7)
    #expect(
      String(decoding: text.bytes, as: UTF8.self) == """
        retry: 1000
        id: 4

        event: end
        data: {"status":"completed"}

        : heartbeat
        id: 7


        """)
    let event = try Self.event(5, reason: "a\nb").event
    var transition = ServerSentEvents()
    transition.transition(event)
    let lines = String(decoding: transition.bytes, as: UTF8.self).split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[0] == "id: 5")
    let data = Data(lines[2].dropFirst("data: ".count).utf8)
    #expect(try JSONDecoder().decode(JobEvent.self, from: data) == event)
  }
}
