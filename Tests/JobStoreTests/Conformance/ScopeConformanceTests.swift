import Foundation
import Jobs
import Testing

/// What somebody sees who may see jobs of some types and queues alone.
@Suite("Every store, within patterns", .timeLimit(.minutes(3))) struct ScopeConformanceTests {
  private static let download = JobQueueName.download

  /// Jobs of two tenants, three types and two queues.
  private func fill(_ subject: Subject, tenant: UUID) async throws -> [String: [JobID]] {
    var ids: [String: [JobID]] = [:]
    for (type, queue, count) in [
      ("files:checksum", JobQueueName.compute, 3), ("files:count", .compute, 2),
      ("web:fetch", Self.download, 4), ("web:count", .compute, 1),
    ] {
      let jobs = try await subject.insert(count, type: type, queue: queue, tenant: tenant) {
        if type == "files:count" { $0.status = .completed }
      }
      ids[type] = jobs.map(\.id)
      try await subject.insert(1, type: type, queue: queue, tenant: UUID())
    }
    return ids
  }

  private func scope(_ types: [String], _ queues: [String] = []) -> JobScope {
    JobScope(
      types: types.compactMap(NamePattern.init), queues: queues.compactMap(NamePattern.init))
  }

  @Test("lists and counts what is within them alone", arguments: Implementation.allCases)
  func lists(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let tenant = UUID()
      let ids = try await fill(subject, tenant: tenant)
      func expect(
        _ scope: JobScope, statuses: Set<JobStatus> = [], _ types: String...
      ) async throws {
        let meant = Set(types.flatMap { ids[$0] ?? [] })
        for order in [JobOrder.standard, JobOrder(.createdAt), JobOrder(.type)] {
          var query = JobQuery(tenant: tenant, statuses: statuses, order: order, pageSize: 100)
          query.scope = scope
          let page = try await subject.store.list(query)
          #expect(Set(page.jobs.map(\.id)) == meant, "\(scope) \(order)")
          #expect(page.total == meant.count, "\(scope) \(order)")
        }
        // Page by page it is the same.
        var found: [JobID] = []
        var part = JobQuery.Part.start
        while true {
          var query = JobQuery(tenant: tenant, statuses: statuses, part: part, pageSize: 2)
          query.scope = scope
          let page = try await subject.store.list(query)
          found += page.jobs.map(\.id)
          guard let next = page.next else { break }
          part = .after(next)
        }
        #expect(Set(found) == meant && found.count == meant.count, "\(scope)")
        if statuses.isEmpty {
          let counts = try await subject.store.counts(tenant: tenant, scope: scope)
          #expect(counts.map(\.count).reduce(0, +) == meant.count, "\(scope)")
        }
      }
      try await expect(.all, "files:checksum", "files:count", "web:fetch", "web:count")
      try await expect(scope(["files:*"]), "files:checksum", "files:count")
      try await expect(scope(["*:count"]), "files:count", "web:count")
      try await expect(
        scope(["files:checksum", "web:*"]), "files:checksum", "web:fetch", "web:count")
      try await expect(scope([], ["down*"]), "web:fetch")
      try await expect(scope(["web:*"], ["compute"]), "web:count")
      try await expect(
        scope(["*"], ["*"]), "files:checksum", "files:count", "web:fetch", "web:count")
      try await expect(scope(["none:*"]))
      try await expect(scope([], ["none"]))
      try await expect(scope(["files:*"]), statuses: [.waiting], "files:checksum")
      try await expect(scope(["*:count"]), statuses: [.waiting], "web:count")
      try await expect(scope(["*:count"]), statuses: [.completed], "files:count")
      var query = JobQuery(tenant: tenant, type: try JobTypeID("web:fetch"))
      query.scope = scope(["files:*"])
      #expect(try await subject.store.list(query).total == 0)
    }
  }

  @Test("counts of one tenant are its own", arguments: Implementation.allCases)
  func counts(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let tenant = UUID()
      _ = try await fill(subject, tenant: tenant)
      let own = try await subject.store.counts(tenant: tenant, scope: .all)
      #expect(own.map(\.count).reduce(0, +) == 10)
      #expect(own.filter { $0.queue == Self.download }.map(\.count) == [4])
      let all = try await subject.store.counts()
      #expect(all.map(\.count).reduce(0, +) == 14)
      let some = try await subject.store.counts(tenant: nil, scope: scope(["web:*"]))
      #expect(some.map(\.count).reduce(0, +) == 7)
      #expect(try await subject.store.counts(tenant: UUID(), scope: .all).isEmpty)
    }
  }

  @Test("transitions are told of what is within them alone", arguments: Implementation.allCases)
  func events(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let tenant = UUID()
      let ids = try await fill(subject, tenant: tenant)
      var filter = EventFilter(tenant: tenant)
      filter.scope = scope(["web:*"], ["compute"])
      let page = try await subject.store.events(after: 0, matching: filter, limit: 100)
      #expect(page.events.map(\.event.job) == ids["web:count"])
      #expect(page.isEnd)
    }
  }

  @Test("the kind of a job is told to its tenant alone", arguments: Implementation.allCases)
  func kind(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let tenant = UUID()
      let job = try await subject.insert(1, type: "web:fetch", queue: .download, tenant: tenant)[0]
      let kind = try #require(try await subject.store.kind(of: job.id, tenant: tenant))
      #expect(kind == JobKind(type: job.type, queue: .download))
      #expect(kind.isVisible(in: scope(["web:*"])) && !kind.isVisible(in: scope(["files:*"])))
      #expect(try await subject.store.kind(of: job.id, tenant: .zero) == nil)
      #expect(try await subject.store.kind(of: JobID(), tenant: tenant) == nil)
      #expect(!JobKind(type: nil, queue: nil).isVisible(in: scope(["*"])))
      #expect(JobKind(type: nil, queue: nil).isVisible(in: .all))
    }
  }
}
