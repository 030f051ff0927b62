import Foundation
import HTTPTypes
import HummingbirdTesting
import JobStore
import Jobs
import NIOCore
import Testing

@testable import JobServer

@Suite("/prune", .timeLimit(.minutes(2)))
struct PruneRouteTests {
  /// A completed job, and a failed one of another tenant's, that ended 100 days ago, and one that has just ended.
  private func insert(_ fixture: APIFixture) async throws -> [Job] {
    let old = Timestamp.now + .seconds(-100 * 86_400)
    let jobs = try [
      ("files:checksum", JobStatus.completed, UUID.zero, old),
      ("files:count", .failed, UUID(), old), ("files:count", .completed, .zero, .now),
    ].map { type, status, tenant, end in
      var job = Job(
        id: JobID(), tenantID: tenant, userID: .zero, idempotencyKey: UUID(),
        type: try JobTypeID(type), queue: .compute, params: [:], timeout: .zero, retry: .never,
        scheduledAt: old, createdAt: old)
      job.status = status
      job.updatedAt = end
      return job
    }
    _ = try await fixture.store.insert(
      jobs.map { NewJob($0, submitted: $0.params) }, at: .now)
    return jobs
  }

  private let expected: JSONValue = [
    "dry_run": true, "has_more": false, "total": 2, "tombstones": 0,
    "jobs": [
      ["type": "files:checksum", "status": "completed", "count": 1],
      ["type": "files:count", "status": "failed", "count": 1],
    ],
  ]

  @Test("says what would go, and leaves it there")
  func dryRun() async throws {
    try await APIFixture.with { fixture in
      let jobs = try await insert(fixture)
      try await fixture.test { client in
        for _ in 0..<2 {
          let response = try await client.send(.post, "/prune?dry_run=true")
          #expect(response.status == .ok)
          #expect(try JSONValue(parsing: response.body.readableBytesView) == expected)
        }
        #expect(try await fixture.store.jobs(jobs.map(\.id)).count == 3)
      }
    }
  }

  @Test("removes what is not kept any longer, whosever it is", arguments: ["", "?dry_run=false"])
  func prune(query: String) async throws {
    try await APIFixture.with { fixture in
      let jobs = try await insert(fixture)
      try await fixture.test { client in
        let report = try await client.read(.post, "/prune\(query)", as: PruneReport.self)
        #expect(!report.dryRun)
        #expect(report.total == 2)
        #expect(try await fixture.store.jobs(jobs.map(\.id)).keys.map(\.self) == [jobs[2].id])
        let again = try await client.read(.post, "/prune\(query)", as: PruneReport.self)
        #expect(again == PruneReport(Pruned(), dryRun: false))
      }
    }
  }

  @Test("refuses what it does not take", arguments: ["dry_run=yes", "dry_run", "dryrun=true"])
  func badQuery(query: String) async throws {
    try await APIFixture.with { fixture in
      let jobs = try await insert(fixture)
      try await fixture.test { client in
        let problem = try await client.problem(.post, "/prune?\(query)")
        #expect(problem.type == "/problems/invalid-parameter")
        #expect(problem.detail.contains("dry"))
        #expect(try await fixture.store.jobs(jobs.map(\.id)).count == 3)
      }
    }
  }
}
