import Foundation
import Jobs
import Logging
import Testing

/// What every implementation of ``JobStore`` keeps of what jobs log.
@Suite("Every store keeps a log that", .timeLimit(.minutes(3))) struct JobLogConformanceTests {
  private func set(_ range: ClosedRange<Int64>, bytes: Int = 3) -> JobReport.Content {
    .log(
      JobLogSet(
        first: range.lowerBound,
        lines: range.map {
          .init(
            time: Subject.now, level: .notice,
            text: "\($0) " + String(repeating: "x", count: bytes))
        }))
  }

  private func numbers(_ subject: Subject, _ job: JobID, after: Int64 = 0) async throws -> [Int64] {
    let log = try #require(try await subject.store.log(of: job, tenant: nil, after: after))
    return log.lines.map(\.number)
  }

  @Test("has lines in their order, each once", arguments: Implementation.allCases)
  func order(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.running(2)
      let job = jobs[0].id
      #expect(try await subject.store.log(of: job, tenant: nil, after: 0)?.lines == [])
      #expect(try await subject.report(job, set(1...2)) == .applied)
      #expect(try await subject.report(job, set(1...2)) == .applied)
      #expect(try await subject.report(job, set(2...4)) == .applied)
      #expect(try await subject.report(job, set(9...9)) == .applied)
      let log = try #require(try await subject.store.log(of: job, tenant: nil, after: 0))
      #expect(log.lines.map(\.number) == [1, 2, 3, 4, 9])
      #expect(log.dropped == 4)
      #expect(
        log.lines.last
          == JobLogLine(number: 9, time: Subject.now, level: .notice, attempt: 1, text: "9 xxx"))
      #expect(try await numbers(subject, job, after: 3) == [4, 9])
      #expect(try await numbers(subject, jobs[1].id).isEmpty)
      // It is no news of the job itself.
      #expect(try await subject.job(job).updatedAt == jobs[0].updatedAt)
    }
  }

  @Test("goes on with the next attempt", arguments: Implementation.allCases)
  func attempts(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let job = try await subject.running(1)[0].id
      try await subject.report(job, set(1...2))
      try await subject.report(job, .ended(.returned))
      #expect(try await subject.report(job, set(3...3)) == .fenced)
      _ = try await subject.claim(1)
      #expect(try await subject.report(job, set(3...3)) == .fenced)
      #expect(try await subject.report(job, set(1...1), attempt: 2) == .applied)
      let log = try #require(try await subject.store.log(of: job, tenant: nil, after: 0))
      #expect(log.lines.map(\.attempt) == [1, 1, 2])
      #expect(log.lines.map(\.number) == [1, 2, 3])
      try await subject.report(job, .ended(.completed(result: nil)), attempt: 2)
      #expect(try await numbers(subject, job) == [1, 2, 3])
    }
  }

  @Test("is the tenant's", arguments: Implementation.allCases)
  func tenants(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let tenant = UUID()
      let job = try await subject.insert(1, tenant: tenant)[0].id
      #expect(try await subject.store.log(of: job, tenant: tenant, after: 0) != nil)
      #expect(try await subject.store.log(of: job, tenant: .zero, after: 0) == nil)
      #expect(try await subject.store.log(of: JobID(), tenant: nil, after: 0) == nil)
    }
  }

  @Test("is bounded by lines and by bytes", arguments: Implementation.allCases)
  func bounds(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.running(2).map(\.id)
      for start in stride(from: Int64(1), to: 1_000, by: 90) {
        try await subject.report(jobs[0], set(start...start + 89))
      }
      let many = try #require(try await subject.store.log(of: jobs[0], tenant: nil, after: 0))
      #expect(many.lines.map(\.number) == Array(581...1080))
      #expect(many.dropped == 580)
      for start in Int64(1)...40 {
        try await subject.report(jobs[1], set(start...start, bytes: 4_000))
      }
      let long = try #require(try await subject.store.log(of: jobs[1], tenant: nil, after: 0))
      #expect(long.lines.map(\.number) == Array(25...40))
      #expect(long.dropped == 24)
    }
  }

  @Test("goes with its job", arguments: Implementation.allCases)
  func removal(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.running(2).map(\.id)
      for job in jobs {
        try await subject.report(job, set(1...1))
        try await subject.report(job, .ended(.completed(result: nil)))
      }
      _ = try await subject.store.delete(jobs[0], tenant: nil, at: Subject.now)
      #expect(try await subject.store.log(of: jobs[0], tenant: nil, after: 0) == nil)
      #expect(try await numbers(subject, jobs[1]) == [1])
      let late = Subject.now + 400 * 86_400_000
      #expect(try await subject.store.prune(RetentionPolicy(), at: late, limit: 9).total == 1)
      #expect(try await subject.store.log(of: jobs[1], tenant: nil, after: 0) == nil)
    }
  }
}
