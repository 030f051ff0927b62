import Foundation
import Jobs
import Testing

/// What every implementation of ``JobStore`` has to keep of reading its transition log in parts.
@Suite("Every store, of its transition log,", .timeLimit(.minutes(3)))
struct EventPageConformanceTests {
  @Test(
    "finds what a filter lets pass, and tells how far it looked", arguments: Implementation.allCases
  )
  func filter(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let other = UUID()
      let mine = try await subject.running(2)
      _ = try await subject.insert(3, type: "mail:send", queue: .download, tenant: other)
      let all = try await subject.store.events(after: 0, matching: EventFilter(), limit: 99)
      #expect(all.events.map(\.event) == subject.log.transitions)
      #expect(
        all.events.map(\.tenant) == Array(repeating: UUID.zero, count: 4) + [other, other, other])
      #expect(all.isEnd && all.removed.isEmpty)
      let newest = try #require(all.events.last).event.sequence
      #expect(all.position == newest)
      #expect(try await subject.store.newestEvent() == newest)
      func found(_ filter: EventFilter) async throws -> [JobEvent] {
        let page = try await subject.store.events(after: 0, matching: filter, limit: 99)
        #expect(page.position == newest && page.isEnd)
        #expect(page.events == all.events.filter(filter.matches))
        return page.events.map(\.event)
      }
      #expect(try await found(EventFilter(tenant: other)).count == 3)
      #expect(try await found(EventFilter(tenant: UUID())).isEmpty)
      #expect(try await found(EventFilter(statuses: [.running])).map(\.job) == mine.map(\.id))
      #expect(try await found(EventFilter(types: [JobTypeID("mail:send")])).count == 3)
      #expect(try await found(EventFilter(types: [JobTypeID("mail:none")])).isEmpty)
      #expect(try await found(EventFilter(queues: [.download, .compute])).count == 7)
      #expect(
        try await found(EventFilter(tenant: other, statuses: [.running, .waiting])).count == 3)
    }
  }

  @Test("is read to its end in parts, nothing twice", arguments: Implementation.allCases)
  func parts(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      try await subject.insert(7)
      var (position, count, steps): (Int64, Int, Int) = (0, 0, 0)
      var page: EventPage
      repeat {
        page = try await subject.store.events(after: position, matching: EventFilter(), limit: 3)
        #expect(page.events.allSatisfy { $0.event.sequence > position })
        #expect(page.events.count <= 3)
        (position, count, steps) = (page.position, count + page.events.count, steps + 1)
      } while !page.isEnd
      #expect(count == 7)
      #expect(steps == 3)
      let rest = try await subject.store.events(after: position, matching: EventFilter(), limit: 3)
      #expect(rest == EventPage(events: [], position: position, isEnd: true))
    }
  }

  @Test("a part ends early where reasons are long", arguments: Implementation.allCases)
  func bytes(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let error = String(repeating: "x", count: EventPage.mostBytes / 2)
      try await subject.insert(4) { job in
        job.status = .failed
        job.error = error
      }
      let first = try await subject.store.events(after: 0, matching: EventFilter(), limit: 9)
      #expect(first.events.count == 2)
      #expect(!first.isEnd)
      let second = try await subject.store.events(
        after: first.position, matching: EventFilter(), limit: 9)
      #expect(second.events.count == 2)
    }
  }

  @Test(
    "tells a reader whose place is older than what went with a deleted job, by tenant",
    arguments: Implementation.allCases)
  func deleted(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let other = UUID()
      let jobs = try await subject.insert(3)
      try await subject.insert(1, tenant: other)
      let all = try await subject.store.events(after: 0, matching: EventFilter(), limit: 9)
      let removed = try #require(all.events.first { $0.event.job == jobs[1].id }).event.sequence
      _ = try await subject.store.delete(jobs[1].id, tenant: nil, at: Subject.now)
      func missing(after place: Int64, _ tenant: UUID?) async throws -> [UUID: Int64] {
        try await subject.store.events(
          after: place, matching: EventFilter(tenant: tenant), limit: 9
        ).removed
      }
      #expect(try await missing(after: 0, nil) == [.zero: removed])
      #expect(try await missing(after: removed - 1, .zero) == [.zero: removed])
      #expect(try await missing(after: removed, .zero).isEmpty)
      #expect(try await missing(after: 0, other).isEmpty)
      #expect(try await subject.store.newestEvent() == all.position)
    }
  }

  @Test("tells the same of pruned jobs", arguments: Implementation.allCases)
  func pruned(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      try await subject.insert(5) { job in
        job.status = .completed
        job.updatedAt = Timestamp(milliseconds: Subject.now.milliseconds - 60 * 86_400_000)
      }
      let newest = try await subject.store.newestEvent()
      #expect(
        try await subject.store.prune(RetentionPolicy(), at: Subject.now, limit: 100).total == 5)
      let page = try await subject.store.events(after: 1, matching: EventFilter(), limit: 9)
      #expect(page.events.isEmpty && page.isEnd)
      #expect(page.removed == [.zero: newest])
      #expect(try await subject.store.newestEvent() == newest)
    }
  }
}
