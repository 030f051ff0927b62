import Foundation
import Jobs
import Testing

/// What every implementation of ``BulkStore`` has to keep.
@Suite("Every store, of operations on many jobs,", .timeLimit(.minutes(3)))
struct BulkConformanceTests {
  private let now = Subject.now
  private static let other = UUID(number: 9)

  private func begin(
    _ subject: Subject, _ action: BulkAction = .cancel, _ filter: BulkFilter = BulkFilter(),
    key: UUID? = nil
  ) async throws -> BulkOperation {
    let request = BulkRequest(action: action, filter: filter, reason: "enough")
    let operation = BulkOperation(
      tenantID: .zero, request: request, key: key,
      survey: try await subject.store.survey(request, tenant: .zero), createdAt: now)
    let insertion = try await subject.store.begin(operation, mostRunning: 10)
    #expect(insertion == .created(operation))
    return operation
  }

  /// One step: what the action does to the next jobs.
  private func step(
    _ subject: Subject, _ operation: BulkOperation, limit: Int,
    _ work: (JobID) -> BulkStep.Work = { _ in .command(.cancel(reason: "enough")) }
  ) async throws -> BulkProgress? {
    let page = try await subject.store.candidates(of: operation, limit: limit)
    #expect(page.candidates.count <= limit)
    return try await subject.store.advance(
      BulkStep(
        of: operation, to: page.next,
        items: page.candidates.map { BulkStep.Item(work($0.job), of: $0.job) },
        isLast: page.isLast), at: now + 5)
  }

  private func finish(
    _ subject: Subject, _ operation: BulkOperation, limit: Int = 3,
    _ work: (JobID) -> BulkStep.Work = { _ in .command(.cancel(reason: "enough")) }
  ) async throws -> (operation: BulkOperation, told: [JobCommand.Result]) {
    var (current, told) = (operation, [JobCommand.Result]())
    for _ in 0..<100 where current.status == .running {
      let progress = try #require(try await step(subject, current, limit: limit, work))
      current = progress.operation
      told += progress.told
    }
    #expect(current.status == .completed)
    return (current, told)
  }

  @Test(
    "counts exactly those that are meant, by each member of the filter",
    arguments: Implementation.allCases)
  func survey(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      for (status, count) in [(JobStatus.waiting, 3), (.suspended, 2), (.failed, 4)] {
        try await subject.insert(count) { $0.status = status }
      }
      try await subject.insert(2, type: "mail:send", queue: .download)
      try await subject.insert(5, tenant: Self.other)
      let late = try await subject.insertAt(now + 1000, count: 6)
      func count(_ action: BulkAction, _ filter: BulkFilter = BulkFilter()) async throws -> Int {
        try await subject.store.survey(
          BulkRequest(action: action, filter: filter), tenant: .zero
        ).matching
      }
      #expect(try await count(.cancel) == 13)
      #expect(try await count(.cancel, BulkFilter(statuses: [.suspended])) == 2)
      #expect(try await count(.retry) == 4)
      #expect(try await count(.delete) == 17)
      #expect(try await count(.resume) == 2)
      #expect(try await count(.cancel, BulkFilter(type: try JobTypeID("mail:send"))) == 2)
      #expect(try await count(.cancel, BulkFilter(queue: .download)) == 2)
      #expect(try await count(.cancel, BulkFilter(type: try JobTypeID("no:such"))) == 0)
      #expect(try await count(.cancel, BulkFilter(createdAfter: now + 1000)) == late.count)
      #expect(try await count(.cancel, BulkFilter(createdBefore: now + 1000)) == 7)
      #expect(
        try await count(
          .cancel, BulkFilter(createdAfter: now, createdBefore: now + 1)) == 7)
      #expect(try await count(.cancel, BulkFilter(createdAfter: now + 1001)) == 0)
    }
  }

  @Test(
    "does to each job once what is asked, a few in one transaction, and counts it",
    arguments: Implementation.allCases)
  func walk(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let waiting = try await subject.insert(8)
      let ended = try await subject.insert(2) { $0.status = .completed }
      let foreign = try await subject.insert(2, tenant: Self.other)
      let operation = try await begin(subject)
      #expect(operation.matching == 8)
      // What comes later is not meant.
      let newer = try await subject.insert(1)[0]
      _ = subject.log.take()

      let first = try #require(try await step(subject, operation, limit: 3))
      #expect(first.operation.done == 3)
      #expect(first.operation.status == .running)
      #expect(subject.log.commits.count == 1)
      #expect(subject.log.transitions.map(\.job) == waiting.prefix(3).map(\.id))
      let (end, _) = try await finish(subject, first.operation)

      #expect((end.done, end.skipped, end.failed) == (8, 0, 0))
      #expect(end.endedAt == now + 5)
      #expect(try await subject.store.operation(operation.id, tenant: .zero) == end)
      for job in waiting {
        let after = try await subject.job(job.id)
        #expect(after.status == .canceled)
        #expect(after.details == "enough")
        #expect(
          try await subject.store.events(of: job.id, after: 0, limit: 9).map(\.to)
            == [.waiting, .canceled])
      }
      for job in ended + foreign + [newer] { #expect(try await subject.job(job.id) == job) }
    }
  }

  @Test(
    "does a step from one place once, and none when the operation has been canceled",
    arguments: Implementation.allCases)
  func once(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.insert(4)
      let operation = try await begin(subject)
      let progress = try #require(try await step(subject, operation, limit: 2))
      #expect(try await step(subject, operation, limit: 2) == nil)
      #expect(try await subject.store.runningOperations() == [progress.operation])

      let store = subject.store
      #expect(try await store.cancelOperation(operation.id, tenant: Self.other, at: now) == nil)
      let canceled = try #require(
        try await store.cancelOperation(operation.id, tenant: .zero, at: now + 9))
      #expect(canceled.status == .canceled)
      #expect(canceled.done == 2)
      #expect(
        try await store.cancelOperation(operation.id, tenant: .zero, at: now + 10) == canceled)
      #expect(try await step(subject, progress.operation, limit: 2) == nil)
      #expect(try await store.runningOperations().isEmpty)
      #expect(try await subject.job(jobs[3].id).status == .waiting)
    }
  }

  @Test(
    "leaves alone a job that has moved on since it was found", arguments: Implementation.allCases)
  func movedOn(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.insert(3)
      let operation = try await begin(subject, .cancel, BulkFilter(statuses: [.waiting]))
      let page = try await subject.store.candidates(of: operation, limit: 9)
      #expect(page.candidates.map(\.job) == jobs.map(\.id))
      _ = try await subject.apply(.suspend, to: jobs[0].id)
      _ = try await subject.store.delete(jobs[1].id, tenant: nil, at: now)
      let progress = try await subject.store.advance(
        BulkStep(
          of: operation, to: page.next,
          items: page.candidates.map { BulkStep.Item(.command(.cancel(reason: nil)), of: $0.job) },
          isLast: true), at: now)
      let end = try #require(progress).operation
      #expect((end.done, end.skipped) == (1, 2))
      #expect(try await subject.job(jobs[0].id).status == .suspended)
    }
  }

  @Test("says whose workers are to be told", arguments: Implementation.allCases)
  func told(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let running = try await subject.running(2)
      try await subject.insert(1)
      let (end, told) = try await finish(subject, try await begin(subject))
      #expect(end.done == 3)
      #expect(told.map(\.decision) == running.map { _ in .tell(Subject.worker, attempt: 1) })
      #expect(Set(told.map(\.job.id)) == Set(running.map(\.id)))
      for job in running { #expect(try await subject.job(job.id).status == .canceling) }
    }
  }

  @Test("deletes, and makes jobs anew", arguments: Implementation.allCases)
  func otherWork(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let failed = try await subject.insert(3) { $0.status = .failed }
      let retries = try await subject.store.submitted(failed.map(\.id), bytes: 1 << 20)
      var made: [JobID: NewJob] = [:]
      for old in retries.compactMap({ $0 }) {
        var job = try sampleJob(key: old.job.retryKey.uuid, params: old.submitted)
        job.retryOf = old.job.id
        made[old.job.id] = NewJob(job, submitted: old.submitted)
      }
      for expected in [3, 0] {
        let (end, _) = try await finish(subject, try await begin(subject, .retry)) { id in
          made[id].map { .insert($0) } ?? .settled(.skipped)
        }
        // The second time, each has been retried.
        #expect((end.done, end.skipped) == (expected, 3 - expected))
      }
      for job in failed {
        let new = try #require(
          try await subject.store.job(idempotencyKey: job.retryKey.uuid, tenant: .zero))
        #expect(new.retryOf == job.id)
        #expect(try await subject.job(new.id) == new)
      }
      let (end, _) = try await finish(
        subject, try await begin(subject, .delete, BulkFilter(statuses: [.failed]))
      ) { _ in .delete }
      #expect(end.done == 3)
      #expect(try await subject.store.jobs(failed.map(\.id)).isEmpty)
      let again = try sampleJob(id: failed[0].id)
      #expect(
        try await subject.store.insert(NewJob(again, submitted: again.params), at: now) == .deleted)
    }
  }

  @Test("keeps some of the errors, and counts them all", arguments: Implementation.allCases)
  func failures(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.insert(BulkOperation.mostFailures + 5)
      let (end, _) = try await finish(subject, try await begin(subject), limit: 4) { id in
        .settled(.failed(id, "no"))
      }
      #expect(end.failed == jobs.count)
      #expect(end.failures.map(\.job) == jobs.prefix(BulkOperation.mostFailures).map(\.id))
      #expect(end.failures.allSatisfy { $0.error == "no" })
      #expect(try await subject.store.operation(end.id, tenant: .zero) == end)
    }
  }

  @Test(
    "of one key there is one operation, and only so many run", arguments: Implementation.allCases)
  func keys(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let key = UUID()
      let first = try await begin(subject, key: key)
      func again(_ action: BulkAction, tenant: UUID = .zero, key: UUID?) async throws
        -> BulkInsertion
      {
        try await subject.store.begin(
          BulkOperation(
            tenantID: tenant,
            request: BulkRequest(action: action, filter: BulkFilter(), reason: "enough"), key: key,
            survey: BulkSurvey(matching: 0, last: 0), createdAt: now), mostRunning: 1)
      }
      #expect(try await again(.cancel, key: key) == .repeated(first))
      #expect(try await again(.retry, key: key) == .conflict(first))
      #expect(try await again(.cancel, key: nil) == .tooMany)
      guard case .created(let second) = try await again(.cancel, tenant: Self.other, key: key)
      else {
        Issue.record("another tenant's key is another key")
        return
      }
      #expect(try await subject.store.runningOperations() == [first, second])
      #expect(try await subject.store.operation(second.id, tenant: .zero) == nil)
      _ = try await subject.store.cancelOperation(first.id, tenant: .zero, at: now)
      guard case .created = try await again(.cancel, key: nil) else {
        Issue.record("one that has ended is not counted")
        return
      }
    }
  }

  @Test("lists the newest first, and forgets them in time", arguments: Implementation.allCases)
  func list(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      var ids: [UUID] = []
      for _ in 0..<5 { ids.append(try await begin(subject).id) }
      let store = subject.store
      let page = try await store.operations(of: .zero, status: nil, offset: 1, limit: 2)
      #expect(page.operations.map(\.id) == [ids[3], ids[2]])
      #expect(page.total == 5)
      _ = try await store.cancelOperation(ids[1], tenant: .zero, at: now)
      _ = try await store.cancelOperation(ids[2], tenant: .zero, at: now + 100)
      let running = try await store.operations(of: .zero, status: .running, offset: 0, limit: 9)
      #expect(running.operations.map(\.id) == [ids[4], ids[3], ids[0]])
      #expect(running.total == 3)
      #expect(
        try await store.operations(of: Self.other, status: nil, offset: 0, limit: 9).total == 0)
      try await store.pruneOperations(endedBy: now + 99, limit: 9)
      let left = try await store.operations(of: .zero, status: nil, offset: 0, limit: 9)
      #expect(left.operations.map(\.id) == [ids[4], ids[3], ids[2], ids[0]])
    }
  }

  @Test(
    "gives back what was submitted, as many as are not too large",
    arguments: Implementation.allCases)
  func submitted(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try (0..<3).map { _ in
        NewJob(try sampleJob(params: ["path": "a", "rounds": 1]), submitted: ["path": "a"])
      }
      _ = try await subject.store.insert(jobs, at: now)
      let ids = [jobs[0].job.id, JobID(), jobs[1].job.id, jobs[2].job.id]
      #expect(
        try await subject.store.submitted(ids, bytes: 1000) == [jobs[0], nil, jobs[1], jobs[2]])
      // The first is given whatever it has.
      #expect(try await subject.store.submitted(ids, bytes: 1) == [jobs[0]])
    }
  }
}

extension Subject {
  fileprivate func insertAt(_ time: Timestamp, count: Int) async throws -> [Job] {
    let jobs = try (0..<count).map { _ in try sampleJob(createdAt: time) }
    _ = try await store.insert(jobs.map { NewJob($0, submitted: $0.params) }, at: time)
    return jobs
  }
}
