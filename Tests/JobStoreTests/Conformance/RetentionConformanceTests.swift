import Foundation
import Jobs
import Testing

/// What every implementation of ``JobStore`` has to keep of retention.
@Suite("Every store, of what is not kept any longer,", .timeLimit(.minutes(3)))
struct RetentionConformanceTests {
  private let now = Subject.now
  private static let day: Int64 = 86_400_000

  private func ended(
    _ subject: Subject, _ status: JobStatus, daysAgo days: Int64, type: String = "files:checksum",
    _ change: (inout Job) -> Void = { _ in }
  ) async throws -> Job {
    try await subject.insert(1, type: type) { job in
      job.status = status
      job.updatedAt = now + -days * Self.day
      change(&job)
    }[0]
  }

  @Test(
    "removes jobs that ended longer ago than their status is kept, and nothing else",
    arguments: Implementation.allCases)
  func ages(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      var (old, kept): ([Job], [Job]) = ([], [])
      for status in RetentionPolicy.statuses {
        let days: Int64 = status == .failed || status == .timedOut ? 90 : 30
        old.append(try await ended(subject, status, daysAgo: days))
        kept.append(try await ended(subject, status, daysAgo: days - 1))
      }
      for status in JobStatus.allCases where !status.isFinal {
        kept.append(try await ended(subject, status, daysAgo: 1000))
      }
      _ = subject.log.take()
      let policy = RetentionPolicy()
      let expected = try await subject.store.prunable(policy, at: now)
      #expect(expected.total == 5)
      #expect(subject.log.take().isEmpty)
      #expect(try await subject.store.prune(policy, at: now, limit: 100) == expected)
      #expect(Set(expected.jobs.map(\.status)) == Set(RetentionPolicy.statuses))
      for job in old {
        #expect(try await subject.store.job(job.id) == nil)
        #expect(try await subject.store.events(of: job.id, after: 0, limit: 9).isEmpty)
      }
      for job in kept { #expect(try await subject.job(job.id) == job) }
      #expect(Set(subject.log.take().flatMap(\.deleted)) == Set(old.map(\.id)))
      #expect(try await subject.store.counts().map(\.count).reduce(0, +) == kept.count)
      #expect(try await subject.store.list(JobQuery(tenant: .zero)).total == kept.count)
      #expect(try await subject.store.events(after: 0, limit: 100).count == kept.count)
      #expect(try await subject.store.prune(policy, at: now, limit: 100) == Pruned())
    }
  }

  @Test(
    "keeps by type where a type says so, and for ever by zero", arguments: Implementation.allCases)
  func types(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      var policy = RetentionPolicy()
      let type = try JobTypeID("mail:send")
      policy.keep(.completed, for: .seconds(60), type: type)
      policy.keep(.failed, for: .zero, type: type)
      policy.keep(.canceled, for: .zero)
      let quick = try await ended(subject, .completed, daysAgo: 1, type: "mail:send")
      let slow = try await ended(subject, .completed, daysAgo: 1)
      let forever = try await ended(subject, .failed, daysAgo: 9999, type: "mail:send")
      let failed = try await ended(subject, .failed, daysAgo: 9999)
      let canceled = try await ended(subject, .canceled, daysAgo: 9999, type: "mail:send")
      let pruned = try await subject.store.prune(policy, at: now, limit: 100)
      #expect(
        pruned.jobs == [
          PruneCount(type: failed.type, status: .failed, count: 1),
          PruneCount(type: type, status: .completed, count: 1),
        ])
      #expect(
        try await Set(subject.store.jobs([quick, slow, forever, failed, canceled].map(\.id)).keys)
          == [slow.id, forever.id, canceled.id])
    }
  }

  @Test("takes no more at once than it is told to", arguments: Implementation.allCases)
  func limit(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      for index in 0..<7 {
        _ = try await ended(subject, index < 4 ? .completed : .failed, daysAgo: 100)
      }
      var taken: [Int] = []
      var pruned = Pruned(hasMore: true)
      while pruned.hasMore, taken.count < 9 {
        pruned = try await subject.store.prune(RetentionPolicy(), at: now, limit: 3)
        taken.append(pruned.total)
      }
      #expect(taken.reduce(0, +) == 7)
      #expect(taken.max() == 3)
      #expect(try await subject.store.counts().isEmpty)
    }
  }

  @Test(
    "keeps a job of whose end somebody has to be told, until that is done",
    arguments: Implementation.allCases)
  func replies(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let reply = JobReply(address: "a")
      let job = try await ended(subject, .completed, daysAgo: 100) { $0.replies = [reply] }
      let policy = RetentionPolicy()
      #expect(try await subject.store.prunable(policy, at: now) == Pruned())
      #expect(try await subject.store.prune(policy, at: now, limit: 9) == Pruned())
      #expect(try await subject.store.pendingReplies(after: 0, limit: 9).count == 1)
      _ = try await subject.apply(.noteReplies([reply]), to: job.id)
      #expect(try await subject.store.prune(policy, at: now, limit: 9).total == 1)
    }
  }

  @Test("lets the id and the key of a job be used again", arguments: Implementation.allCases)
  func again(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let job = try await ended(subject, .completed, daysAgo: 100)
      _ = try await subject.store.prune(RetentionPolicy(), at: now, limit: 9)
      let same = try sampleJob(id: job.id, key: job.idempotencyKey, params: ["path": "other"])
      #expect(
        try await subject.store.insert(NewJob(same, submitted: same.params), at: now)
          == .created(same))
      let events = try await subject.store.events(of: job.id, after: 0, limit: 9)
      #expect(events.map(\.to) == [.waiting])
    }
  }

  @Test("forgets the ids of deleted jobs after a time", arguments: Implementation.allCases)
  func tombstones(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.insert(3)
      for job in jobs { _ = try await subject.store.delete(job.id, tenant: nil, at: now) }
      let policy = RetentionPolicy()
      let early = now + (90 * Self.day - 1)
      #expect(try await subject.store.prune(policy, at: early, limit: 9) == Pruned())
      #expect(
        try await subject.store.insert(NewJob(jobs[0], submitted: jobs[0].params), at: early)
          == .deleted)
      let late = now + 90 * Self.day
      #expect(try await subject.store.prunable(policy, at: late) == Pruned(tombstones: 3))
      let first = try await subject.store.prune(policy, at: late, limit: 2)
      #expect(first == Pruned(tombstones: 2, hasMore: true))
      #expect(try await subject.store.prune(policy, at: late, limit: 2) == Pruned(tombstones: 1))
      #expect(
        try await subject.store.insert(NewJob(jobs[0], submitted: jobs[0].params), at: late)
          == .created(jobs[0]))
    }
  }

  @Test("frees a job that one of them has kept locked", arguments: Implementation.allCases)
  func locks(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let holder = try await ended(subject, .completed, daysAgo: 100)
      let locked = try await subject.insert(1) { job in
        job.status = .locked
        job.lockedBy = holder.id
        job.attempt = 1
        job.worker = Subject.worker
      }[0]
      _ = try await subject.store.prune(RetentionPolicy(), at: now, limit: 9)
      #expect(try await subject.job(locked.id).status == .running)
    }
  }
}
