import Foundation
import Jobs
import Testing

/// What every implementation of ``DeadLetterStore`` has to keep.
@Suite("Every store, of dead letters,", .timeLimit(.minutes(3)))
struct DeadLetterConformanceTests {
  private let now = Subject.now
  private static let other = UUID(number: 9)

  private func arrival(
    _ number: Int, tenant: UUID = .zero, reason: String = "unknown-type",
    pointers: [String] = [], type: String? = "a:b", queue: String? = nil,
    at offset: Int64 = 0, repeated: Bool = false, fingerprint: Int? = nil,
    provenance: DeadLetterProvenance? = nil
  ) -> DeadLetterArrival {
    let record = DeadLetterRecord(
      id: UUID(number: UInt8(number)), tenantID: tenant, kind: .job, reason: reason,
      explanation: "why \(number) \u{0}",
      errors: pointers.map { ParamsViolation(pointer: $0, keyword: "type", detail: "wrong") },
      type: type, queue: queue, foundIn: "jobs.submit", exchange: "jobs.submit", routingKey: "",
      user: "shop", deaths: [DeadLetterDeath(queue: "q", reason: "expired", count: 2)], size: 3,
      arrivedAt: now + offset)
    let content = DeadLetterContent(
      properties: ["type": "a:b", "headers": ["h": ["$type": "int32", "value": 1]]],
      body: Data([0, UInt8(number), 255]))
    return DeadLetterArrival(
      StoredDeadLetter(record: record, original: content),
      fingerprint: UUID(number: UInt8(100 + (fingerprint ?? number))), mayBeRepeated: repeated,
      provenance: provenance)
  }

  private func ids(_ page: DeadLetterPage) -> [Int] {
    page.letters.map { Int($0.id.uuid.15) }
  }

  @Test("keeps a letter as it is, once", arguments: Implementation.allCases)
  func keeps(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let first = arrival(1, pointers: ["/a", ""])
      #expect(try await subject.store.keep([first, first], at: now) == [.kept, .known])
      #expect(try await subject.store.keep([first], at: now) == [.known])
      let found = try #require(try await subject.store.deadLetter(UUID(number: 1), tenant: .zero))
      #expect(found.original == first.letter.original)
      #expect(found.edited == nil)
      #expect(found.record.id == first.letter.record.id)
      #expect(found.record.errors == first.letter.record.errors)
      #expect(found.record.deaths == first.letter.record.deaths)
      #expect(found.record.user == "shop")
      #expect(found.record.state == .waiting)
      #expect(found.record.arrivedAt == now)
      #expect(try await subject.store.deadLetter(UUID(number: 1), tenant: Self.other) == nil)
      #expect(try await subject.store.deadLetter(UUID(number: 1), tenant: nil) == found)
      #expect(try await subject.store.deadLetter(UUID(number: 2), tenant: nil) == nil)
    }
  }

  @Test(
    "finds letters by each member of the filter, a part at a time, within a tenant",
    arguments: Implementation.allCases)
  func lists(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      _ = try await subject.store.keep(
        [
          arrival(1), arrival(2, reason: "invalid-params", pointers: ["/a", "/b"], at: 10),
          arrival(3, type: nil, queue: "compute", at: 20), arrival(4, tenant: Self.other),
          arrival(5, reason: "invalid-params", pointers: [""], type: "c:d", at: 30),
        ], at: now)
      func find(_ change: (inout DeadLetterFilter) -> Void) async throws -> [Int] {
        var filter = DeadLetterFilter()
        change(&filter)
        let page = try await subject.store.deadLetters(
          DeadLetterQuery(tenant: .zero, filter: filter, limit: 10))
        #expect(page.total == page.letters.count)
        #expect(page.next == nil)
        return ids(page)
      }
      #expect(try await find { _ in } == [5, 3, 2, 1])
      #expect(try await find { $0.reason = "invalid-params" } == [5, 2])
      #expect(try await find { $0.type = "a:b" } == [2, 1])
      #expect(try await find { $0.queue = "compute" } == [3])
      #expect(try await find { $0.queue = "jobs.submit" } == [5, 3, 2, 1])
      #expect(try await find { $0.pointer = "/b" } == [2])
      #expect(try await find { $0.pointer = "" } == [5])
      #expect(try await find { $0.since = now + 10 } == [5, 3, 2])
      #expect(try await find { $0.until = now + 20 } == [2, 1])
      #expect(try await find { $0.state = .accepted } == [])
      func page(_ query: DeadLetterQuery) async throws -> DeadLetterPage {
        try await subject.store.deadLetters(query)
      }
      let first = try await page(DeadLetterQuery(tenant: .zero, limit: 3))
      #expect(ids(first) == [5, 3, 2])
      #expect(first.total == 4)
      let rest = try await page(DeadLetterQuery(tenant: .zero, after: first.next, limit: 3))
      #expect(ids(rest) == [1])
      #expect(rest.next == nil)
      #expect(ids(try await page(DeadLetterQuery(tenant: .zero, offset: 1, limit: 2))) == [3, 2])
      let oldest = try await page(
        DeadLetterQuery(tenant: .zero, newestFirst: false, limit: 2))
      #expect(ids(oldest) == [1, 2])
      // A place stays one when its letter is gone.
      _ = try await subject.store.dropDeadLetter(UUID(number: 2), tenant: .zero)
      let after = try await page(
        DeadLetterQuery(tenant: .zero, newestFirst: false, after: oldest.next, limit: 2))
      #expect(ids(after) == [3, 5])
    }
  }

  @Test("counts letters by their causes", arguments: Implementation.allCases)
  func groups(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      _ = try await subject.store.keep(
        [
          arrival(1, at: 5), arrival(2), arrival(3, tenant: Self.other),
          arrival(4, reason: "invalid-params", pointers: ["/a", "/b", "/a"], at: 1),
          arrival(5, reason: "invalid-params", pointers: ["/b"], at: 2),
          arrival(6, reason: "invalid-params", pointers: ["/b"], at: 3),
        ], at: now)
      let groups = try await subject.store.deadLetterGroups(DeadLetterFilter(), tenant: .zero)
      #expect(
        groups == [
          DeadLetterGroup(
            reason: "invalid-params", pointer: "/b", count: 3, oldest: now + 1, newest: now + 3),
          DeadLetterGroup(
            reason: "unknown-type", pointer: nil, count: 2, oldest: now, newest: now + 5),
          DeadLetterGroup(
            reason: "invalid-params", pointer: "/a", count: 1, oldest: now + 1, newest: now + 1),
        ])
      let some = try await subject.store.deadLetterGroups(
        DeadLetterFilter(reason: "unknown-type"), tenant: .zero)
      #expect(some.map(\.count) == [2])
    }
  }

  @Test(
    "follows a letter through a redrive, in whatever order it hears of it",
    arguments: Implementation.allCases)
  func redrives(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let store = subject.store
      func record(_ number: Int) async throws -> DeadLetterRecord? {
        try await store.deadLetter(UUID(number: UInt8(number)), tenant: nil)?.record
      }
      func provenance(_ number: Int, _ count: Int) -> DeadLetterProvenance {
        DeadLetterProvenance(letter: UUID(number: UInt8(number)), count: count)
      }
      let job = JobID(UUID(number: 77))
      _ = try await store.keep((1...4).map { arrival($0) }, at: now)
      // Published, then taken.
      try await store.noteRedrives([provenance(1, 1)], at: now + 1)
      #expect(try await record(1)?.state == .redriven)
      #expect(try await store.dropDeadLetter(UUID(number: 1), tenant: .zero)?.state == .redriven)
      try await store.noteAcceptances([.init(provenance(1, 1), job: job)], at: now + 2)
      #expect(try await record(1)?.state == .accepted)
      #expect(try await record(1)?.job == job)
      #expect(try await record(1)?.redrives == 1)
      // Taken before it is noted that it was published.
      try await store.noteAcceptances([.init(provenance(2, 1), job: job)], at: now + 1)
      try await store.noteRedrives([provenance(2, 1)], at: now + 2)
      #expect(try await record(2)?.state == .accepted)
      // Published and refused again: the letter that comes is the one that is there.
      try await store.noteRedrives([provenance(3, 1)], at: now + 1)
      let again = arrival(30, reason: "conflict", provenance: provenance(3, 1))
      #expect(try await store.keep([again, again], at: now + 2) == [.returned, .returned])
      #expect(try await record(30) == nil)
      #expect(try await record(3)?.state == .waiting)
      #expect(try await record(3)?.reason == "conflict")
      #expect(
        try await record(3)?.explanation
          == again.letter.record.explanation.replacing(
            "\0", with: implementation == .sqlite ? "\u{FFFD}" : "\0"))
      #expect(try await record(3)?.redrives == 1)
      // What is heard late of an earlier time counts no more.
      try await store.noteRedrives([provenance(3, 1)], at: now + 3)
      #expect(try await record(3)?.state == .waiting)
      try await store.noteRedrives([provenance(3, 2)], at: now + 4)
      #expect(try await record(3)?.state == .redriven)
      _ = try await store.keep([again], at: now + 5)
      #expect(try await record(3)?.state == .redriven)
      // Refused before it is noted that it was published.
      let early = arrival(40, reason: "conflict", provenance: provenance(4, 1))
      _ = try await store.keep([early], at: now + 1)
      try await store.noteRedrives([provenance(4, 1)], at: now + 2)
      #expect(try await record(4)?.state == .waiting)
      #expect(try await record(4)?.redrives == 1)
      // What was taken is not refused any more.
      _ = try await store.keep([arrival(50, provenance: provenance(1, 1))], at: now + 3)
      #expect(try await record(1)?.state == .accepted)
      // One that comes from a letter that is gone is one of its own.
      #expect(
        try await store.keep([arrival(60, provenance: provenance(99, 1))], at: now) == [.kept])
    }
  }

  @Test(
    "has one root for letters that may be the same message, and another for each that is not",
    arguments: Implementation.allCases)
  func roots(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let keeping = try await subject.store.keep(
        [
          arrival(1, fingerprint: 1), arrival(2, fingerprint: 1),
          arrival(3, repeated: true, fingerprint: 1), arrival(4, repeated: true, fingerprint: 2),
          arrival(5, tenant: Self.other, repeated: true, fingerprint: 1),
        ], at: now)
      // None is lost.
      #expect(keeping == Array(repeating: .kept, count: 5))
      var roots: [UUID?] = []
      for number in 1...5 {
        roots.append(
          try await subject.store.deadLetter(UUID(number: UInt8(number)), tenant: nil)?.record.root)
      }
      #expect(roots == [1, 2, 2, 4, 5].map { UUID(number: $0) })
    }
  }

  @Test("keeps an edit beside the original, and undoes it", arguments: Implementation.allCases)
  func edits(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let store = subject.store
      _ = try await store.keep([arrival(1)], at: now)
      let id = UUID(number: 1)
      let content = DeadLetterContent(properties: ["type": "c:d"], body: Data([7]))
      #expect(
        try await store.edit(id, tenant: Self.other, to: content, by: .zero, at: now) == nil)
      let record = try await store.edit(
        id, tenant: .zero, to: content, by: UUID(number: 5), at: now + 5)
      #expect(record?.editedBy == UUID(number: 5))
      #expect(record?.editedAt == now + 5)
      var letter = try await store.deadLetter(id, tenant: .zero)
      #expect(letter?.record == record)
      #expect(letter?.current == content)
      #expect(letter?.original == arrival(1).letter.original)
      _ = try await store.edit(id, tenant: .zero, to: nil, by: UUID(number: 5), at: now + 6)
      letter = try await store.deadLetter(id, tenant: .zero)
      #expect(letter?.edited == nil)
      #expect(letter?.record.editedAt == nil)
      try await store.noteRedrives([DeadLetterProvenance(letter: id, count: 1)], at: now + 7)
      let held = try await store.edit(id, tenant: .zero, to: content, by: .zero, at: now + 8)
      #expect(held?.state == .redriven)
      #expect(try await store.deadLetter(id, tenant: .zero)?.edited == nil)
    }
  }

  @Test("drops a letter, and forgets those that are too old", arguments: Implementation.allCases)
  func goes(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let store = subject.store
      _ = try await store.keep((1...6).map { arrival($0, at: Int64($0)) }, at: now)
      #expect(try await store.dropDeadLetter(UUID(number: 6), tenant: Self.other) == nil)
      #expect(
        try await store.dropDeadLetter(UUID(number: 6), tenant: .zero)?.reason == "unknown-type")
      #expect(try await store.dropDeadLetter(UUID(number: 6), tenant: .zero) == nil)
      let fourth = DeadLetterProvenance(letter: UUID(number: 4), count: 1)
      try await store.noteAcceptances([.init(fourth, job: nil)], at: now + 10)
      func prune(_ time: Int64?, _ accepted: Int64, limit: Int) async throws -> [Int] {
        let pruned = try await store.pruneDeadLetters(
          unchangedSince: time.map { now + $0 }, acceptedBy: now + accepted, limit: limit)
        return [pruned.waiting, pruned.accepted]
      }
      #expect(try await prune(nil, 9, limit: 10) == [0, 0])
      #expect(try await prune(3, 9, limit: 2) == [2, 0])
      #expect(try await prune(3, 10, limit: 10) == [1, 1])
      let left = try await store.deadLetters(DeadLetterQuery(tenant: .zero, limit: 10))
      #expect(ids(left) == [5])
    }
  }

  @Test("knows whether a job was deleted", arguments: Implementation.allCases)
  func deleted(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let job = try await subject.insert(1)[0]
      #expect(try await !subject.store.isDeleted(job.id))
      _ = try await subject.store.delete(job.id, tenant: nil, at: now)
      #expect(try await subject.store.isDeleted(job.id))
    }
  }
}
