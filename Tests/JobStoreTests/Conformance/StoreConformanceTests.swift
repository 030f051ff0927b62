import Foundation
import Jobs
import Testing

/// What every implementation of ``JobStore`` has to keep.
@Suite("Every store", .timeLimit(.minutes(3))) struct StoreConformanceTests {
  private let now = Subject.now
  private let worker = Subject.worker
  private let other = WorkerID(rawValue: "other")

  // MARK: Look-ups

  @Test("finds jobs by id and by key, of their tenant only", arguments: Implementation.allCases)
  func find(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let tenant = UUID()
      let jobs = try await subject.insert(2)
      let foreign = try await subject.insert(1, tenant: tenant)[0]
      let found = try await subject.store.find(
        [
          .id(jobs[1].id, tenant: .zero), .id(foreign.id, tenant: .zero),
          .id(foreign.id, tenant: tenant), .key(jobs[0].idempotencyKey, tenant: .zero),
          .key(jobs[0].idempotencyKey, tenant: tenant), .id(JobID(), tenant: .zero),
          .id(foreign.id, tenant: UUID()),
        ], bytes: .max)
      #expect(
        found == [
          .found(try await subject.job(jobs[1].id)), .unknown,
          .found(try await subject.job(foreign.id)), .found(try await subject.job(jobs[0].id)),
          .unknown, .unknown, .unknown,
        ])
      #expect(try await subject.store.find([], bytes: 0).isEmpty)
    }
  }

  @Test("finds as many jobs as there is room for", arguments: Implementation.allCases)
  func findInParts(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let text = JSONValue.string(String(repeating: "x", count: 1_000))
      let jobs = try await subject.insert(4, params: ["path": text])
      let lookups = jobs.map { JobLookup.id($0.id, tenant: .zero) }
      let found = try await subject.store.find(lookups, bytes: 1_500)
      #expect(found.map { $0 == .left } == [false, false, true, true])
      #expect(
        try await subject.store.find(lookups, bytes: 1).map { $0 == .left }
          == [false, true, true, true])
    }
  }

  @Test("tells one more of an end, also of one that has been", arguments: Implementation.allCases)
  func lateReplies(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.running(2)
      let reply = JobReply(address: "late", correlationID: "x")
      try await subject.report(jobs[0].id, .ended(.completed(result: nil)))
      _ = subject.log.take()
      #expect(try await subject.apply(.addReply(reply), to: jobs[0].id)?.decision == .done)
      #expect(subject.log.take().contains { $0.hasReplies })
      #expect(try await subject.apply(.addReply(reply), to: jobs[1].id)?.decision == .done)
      #expect(!subject.log.take().contains { $0.hasReplies })
      #expect(
        try await subject.apply(.addReply(reply), to: jobs[1].id, tenant: UUID()) == nil)
      try await subject.report(jobs[1].id, .ended(.completed(result: nil)))
      let pending = try await subject.store.pendingReplies(after: 0, limit: 9)
      #expect(pending.map(\.job.id) == jobs.map(\.id))
      #expect(pending.allSatisfy { $0.job.replies == [reply] })
    }
  }

  // MARK: Intake

  @Test("stores a job once, and tells a repetition by its key", arguments: Implementation.allCases)
  func repetition(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let job = try await subject.insert(1)[0]
      var again = try sampleJob(key: job.idempotencyKey, params: job.params)
      again.replies = [JobReply(address: "late")]
      let insertion = try await subject.store.insert(
        NewJob(again, submitted: again.params), at: now)
      guard case .repeated(let known) = insertion else {
        Issue.record("\(insertion)")
        return
      }
      #expect(known.id == job.id)
      #expect(known.replies == again.replies)
      let differs = try sampleJob(key: job.idempotencyKey, params: ["path": "b"])
      #expect(
        try await subject.store.insert(NewJob(differs, submitted: differs.params), at: now)
          == .conflict(existing: subject.job(job.id)))
      let elsewhere = try sampleJob(
        tenant: UUID(number: 1), key: job.idempotencyKey, params: job.params)
      guard
        case .created = try await subject.store.insert(
          NewJob(elsewhere, submitted: elsewhere.params), at: now)
      else {
        Issue.record("another tenant's key is another key")
        return
      }
      #expect(try await subject.store.counts().map(\.count) == [2])
    }
  }

  @Test(
    "takes an id that is nobody's key for a key, both ways round",
    arguments: Implementation.allCases)
  func keysAndIDs(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let id = JobID()
      let keyless = try sampleJob(id: id, key: id.uuid)
      let keyed = try sampleJob(key: id.uuid)
      _ = try await subject.store.insert(NewJob(keyless, submitted: keyless.params), at: now)
      let second = try await subject.store.insert(NewJob(keyed, submitted: keyed.params), at: now)
      #expect(second == .repeated(try await subject.job(id)))
      #expect(try await subject.store.job(idempotencyKey: id.uuid, tenant: .zero)?.id == id)

      let key = UUID()
      let first = try sampleJob(key: key)
      let named = try sampleJob(id: JobID(key), key: key)
      _ = try await subject.store.insert(NewJob(first, submitted: first.params), at: now)
      #expect(
        try await subject.store.insert(NewJob(named, submitted: named.params), at: now)
          == .repeated(try await subject.job(first.id)))
    }
  }

  @Test("compares what was submitted, not what was made of it", arguments: Implementation.allCases)
  func submitted(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let key = UUID()
      let first = try sampleJob(key: key, params: ["path": "a", "rounds": 1])
      let second = try sampleJob(key: key, params: ["path": "a", "rounds": 2])
      _ = try await subject.store.insert(NewJob(first, submitted: ["path": "a"]), at: now)
      #expect(
        try await subject.store.insert(NewJob(second, submitted: ["path": "a"]), at: now)
          == .repeated(try await subject.job(first.id)))
    }
  }

  @Test(
    "keeps a job's context for its worker, and tells no repetition by it",
    arguments: Implementation.allCases)
  func context(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let context = ["request-id": "17", "baggage": "\"é\"\n"]
      let job = try sampleJob(scheduledAt: now + -500, createdAt: now + -900, context: context)
      _ = try await subject.store.insert(NewJob(job, submitted: job.params), at: now)
      let again = try sampleJob(key: job.idempotencyKey, context: ["request-id": "18"])
      #expect(
        try await subject.store.insert(NewJob(again, submitted: again.params), at: now)
          == .repeated(try await subject.job(job.id)))
      #expect(try await subject.job(job.id).context == context)
      try await subject.register()
      let assignment = try #require(try await subject.claim(1).jobs.first)
      #expect(assignment.context == context)
      #expect(assignment.createdAt == now + -900)
      #expect(assignment.scheduledAt == now + -500)
    }
  }

  @Test("counts a context among what an answer may have", arguments: Implementation.allCases)
  func contextSize(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let context = ["a": String(repeating: "x", count: 900)]
      let jobs = try (0..<2).map { _ in try sampleJob(context: context) }
      _ = try await subject.store.insert(
        jobs.map { NewJob($0, submitted: $0.params) }, at: now)
      try await subject.register()
      let answer = try await subject.claim(2, bytes: 1000)
      #expect(answer.jobs.count == 1)
      #expect(answer.rest == .again)
    }
  }

  @Test("does not bring a deleted job back", arguments: Implementation.allCases)
  func deletion(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let job = try await subject.insert(1)[0]
      let running = try await subject.running(1)
      // The older one was claimed first.
      #expect(
        try await subject.store.delete(job.id, tenant: nil, at: now)
          == .refused(subject.job(job.id)))
      let waiting = running[0]
      #expect(
        try await subject.store.delete(waiting.id, tenant: UUID(number: 9), at: now) == .unknown)
      guard
        case .deleted = try await subject.store.delete(waiting.id, tenant: .zero, at: now)
      else {
        Issue.record("not deleted")
        return
      }
      #expect(try await subject.store.job(waiting.id) == nil)
      #expect(try await subject.store.events(of: waiting.id, after: 0, limit: 9).isEmpty)
      #expect(
        try await subject.store.insert(NewJob(waiting, submitted: waiting.params), at: now)
          == .deleted)
      #expect(subject.log.commits.last?.deleted == [waiting.id])
      #expect(try await subject.store.due().isEmpty)
    }
  }

  @Test(
    "takes a job back only while nobody else was told of it", arguments: Implementation.allCases)
  func withdrawal(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.insert(2) { $0.status = .initializing }
      guard case .deleted = try await subject.store.withdraw(jobs[0].id, at: now) else {
        Issue.record("not withdrawn")
        return
      }
      // It is as if it had never been.
      guard
        case .created = try await subject.store.insert(
          NewJob(jobs[0], submitted: jobs[0].params), at: now)
      else {
        Issue.record("not new")
        return
      }
      _ = try await subject.store.insert(NewJob(jobs[1], submitted: jobs[1].params), at: now)
      guard case .refused = try await subject.store.withdraw(jobs[1].id, at: now) else {
        Issue.record("withdrawn though it was asked for again")
        return
      }
    }
  }

  // MARK: Claims

  @Test("gives nothing to a worker that it does not know", arguments: Implementation.allCases)
  func unregistered(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      try await subject.insert(1)
      let refusal = ClaimAnswer(jobs: [], rest: .unregistered)
      #expect(try await subject.claim(1) == refusal)
      try await subject.register(epoch: 2)
      #expect(try await subject.claim(1) == refusal)
      #expect(try await subject.claim(1, epoch: 3) == refusal)
      // An announcement that is read late changes nothing.
      try await subject.register(epoch: 1)
      #expect(try await subject.claim(1, epoch: 1) == refusal)
      #expect(try await subject.claim(1, epoch: 2).jobs.count == 1)
      #expect(try await subject.store.workers() == [worker])
    }
  }

  @Test(
    "gives the highest priority first, then what has been due for longest, then what came first",
    arguments: Implementation.allCases)
  func order(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      try await subject.register()
      let types = ["files:checksum", "files:count"]
      let late = try await subject.insert(1, type: types[0], at: now)[0]
      let early = try await subject.insert(2, type: types[1], at: now + -1000)
      let urgent = try await subject.insert(1, type: types[1], priority: 9, at: now)[0]
      let important = try await subject.insert(1, type: types[0], priority: 5, at: now)[0]
      let order = [urgent, important, early[0], early[1], late].map(\.id)
      let first = try await subject.claim(3, types: types)
      #expect(first.jobs.map(\.job) == Array(order.prefix(3)))
      #expect(first.rest == .void)
      let second = try await subject.claim(9, types: types)
      #expect(second.jobs.map(\.job) == Array(order.suffix(2)))
      #expect(second.rest == .void)
    }
  }

  @Test("gives what a job's start gives", arguments: Implementation.allCases)
  func start(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      try await subject.register()
      let job = try await subject.insert(1)[0]
      let claim = UUID()
      let later = now + 500
      let answer = try await subject.claim(1, claim: claim, at: later)
      var expected = job
      let started = expected.start(by: worker, claim: claim, at: later)
      let assignment = try #require(started)
      _ = expected.takeChanges()
      #expect(answer.jobs == [assignment])
      #expect(try await subject.job(job.id) == expected)
      let event = try #require(subject.log.transitions.last)
      #expect(event.from == .waiting && event.to == .running)
      #expect(event.attempt == 1 && event.worker == worker && event.at == later)
    }
  }

  @Test(
    "parks who can run nothing of what is due, and only him", arguments: Implementation.allCases)
  func parking(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      try await subject.register()
      try await subject.insert(3, type: "files:count")
      try await subject.insert(1)
      let first = try await subject.claim(4)
      #expect(first.jobs.count == 1)
      #expect(first.rest == .park)
      #expect(try await subject.claim(1) == ClaimAnswer(jobs: [], rest: .park))
      let able = try await subject.claim(4, types: ["files:checksum", "files:count"])
      #expect(able.jobs.count == 3)
      #expect(able.rest == .void)
      #expect(try await subject.claim(1, queue: .download).rest == .void)
    }
  }

  @Test("repeats itself to who asks again, and fills up", arguments: Implementation.allCases)
  func repeated(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      try await subject.register()
      let jobs = try await subject.insert(2)
      let claim = UUID()
      let answer = try await subject.claim(3, claim: claim)
      #expect(answer.jobs.map(\.job) == jobs.map(\.id))
      #expect(try await subject.claim(3, claim: claim, isRepeated: true) == answer)
      // What has ended meanwhile is not given again.
      try await subject.report(jobs[0].id, .ended(.completed(result: nil)))
      let more = try await subject.insert(2)
      let again = try await subject.claim(3, claim: claim, isRepeated: true)
      #expect(again.jobs.map(\.job) == [jobs[1].id] + more.map(\.id))
    }
  }

  @Test("bounds an answer, and says that there is more", arguments: Implementation.allCases)
  func bytes(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      try await subject.register()
      let jobs = try await subject.insert(3)
      let size = jobs[0].params.text.utf8.count
      let answer = try await subject.claim(3, bytes: 2 * size + 1)
      #expect(answer.jobs.count == 2)
      #expect(answer.rest == .again)
      // One at least.
      #expect(try await subject.claim(1, bytes: 1).jobs.count == 1)
    }
  }

  @Test("gives a job for later only once it was made due", arguments: Implementation.allCases)
  func later(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      try await subject.register()
      let jobs = try await subject.insert(3, at: now + 1000)
      try await subject.insert(1, at: now + 5000)
      #expect(subject.log.take().map(\.nextDue) == [now + 1000, now + 5000])
      #expect(try await subject.claim(9).rest == .void)
      #expect(try await subject.store.due().isEmpty)
      #expect(try await subject.store.promote(at: now + 999, limit: 10) == now + 1000)
      #expect(try await subject.store.promote(at: now + 1000, limit: 2) == now + 1000)
      #expect(try await subject.store.due().map(\.count) == [2])
      #expect(try await subject.store.promote(at: now + 1000, limit: 2) == now + 5000)
      #expect(subject.log.take().flatMap(\.due).map(\.count) == [2, 1])
      #expect(try await subject.claim(9).jobs.map(\.job) == jobs.map(\.id))
      let counts = try await subject.store.counts()
      #expect(counts.contains { $0.status == .waiting && $0.isLater && $0.count == 1 })
      #expect(try await subject.store.promote(at: now + 9000, limit: 2) == nil)
    }
  }

  // MARK: Reports

  @Test("applies several reports of one job in their order", arguments: Implementation.allCases)
  func reports(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.running(2)
      let contents: [JobReport.Content] = [
        .progress(JobProgress(40, "some")), .snapshot(["at": 4]),
        .policy(RetryPolicy(maxRetries: 7), timeout: 5000),
        .ended(.completed(result: ["sum": 3])), .ended(.completed(result: ["sum": 4])),
      ]
      let reports = contents.map {
        JobReport(job: jobs[0].id, attempt: 1, worker: worker, content: $0)
      }
      let foreign = JobReport(
        job: jobs[1].id, attempt: 1, worker: other, content: .ended(.completed(result: nil)))
      let unknown = JobReport(
        job: JobID(), attempt: 1, worker: worker, content: .ended(.completed(result: nil)))
      let decisions = try await subject.store.report(
        reports + [foreign, unknown], chances: Array(repeating: 0.5, count: 7), at: now + 10)
      #expect(
        decisions == [.applied, .applied, .applied, .applied, .ignored, .fenced, .fenced])
      let job = try await subject.job(jobs[0].id)
      #expect(job.status == .completed)
      #expect(job.progress == 100)
      #expect(job.progressDetails == "some")
      #expect(job.result == ["sum": 3])
      #expect(job.snapshot == nil)
      #expect(job.retry.maxRetries == 7)
      #expect(try await subject.job(jobs[1].id).status == .running)
      #expect(try await subject.store.heldCounts() == [worker: 1])
    }
  }

  @Test("lets a failed job wait for its retry", arguments: Implementation.allCases)
  func retry(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      try await subject.register()
      let job = try await subject.insert(1, retries: 1)[0]
      _ = try await subject.claim(1)
      _ = subject.log.take()
      try await subject.report(job.id, .ended(.failed(error: "no luck", permanent: false)))
      #expect(subject.log.take().map(\.nextDue) == [now + 10_000])
      _ = try await subject.store.promote(at: now + 10_000, limit: 9)
      let second = try await subject.claim(1, at: now + 10_000)
      #expect(second.jobs.map(\.attempt) == [2])
      #expect(second.jobs.map(\.retries) == [1])
      #expect(
        try await subject.report(job.id, .ended(.completed(result: nil)), attempt: 1) == .fenced)
      try await subject.report(
        job.id, .ended(.failed(error: "again", permanent: false)), attempt: 2)
      #expect(try await subject.job(job.id).status == .failed)
    }
  }

  // MARK: Losses

  @Test("takes all its jobs from a worker that is lost", arguments: Implementation.allCases)
  func loss(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.running(5)
      _ = try await subject.apply(.cancel(reason: "enough"), to: jobs[1].id)
      _ = try await subject.apply(.suspend, to: jobs[2].id)
      _ = try await subject.apply(.cancel(reason: nil), to: jobs[3].id)
      let kept = Set([jobs[3], jobs[4]].map { RunningAttempt(job: $0.id, attempt: 1) })
      let lost = try await subject.store.lose(worker, except: kept, poisonLimit: 2, at: now)
      #expect(Set(lost.map(\.job)) == Set(jobs.prefix(4).map(\.id)))
      var statuses: [JobStatus] = []
      for job in jobs { statuses.append(try await subject.job(job.id).status) }
      #expect(statuses == [.waiting, .canceled, .suspended, .canceled, .running])
      #expect(try await subject.store.workers().isEmpty)
      #expect(subject.log.commits.last?.due.map(\.count) == [1])
      // A claim of its that is read later.
      #expect(try await subject.claim(1).rest == .unregistered)
      try await subject.register(other)
      #expect(try await subject.claim(1, by: other).jobs.map(\.attempt) == [2])
      _ = try await subject.store.lose(other, except: [], poisonLimit: 2, at: now)
      let poison = try await subject.job(jobs[0].id)
      #expect(poison.status == .failed)
      #expect(poison.error?.hasPrefix("poison") == true)
    }
  }

  @Test(
    "gives a worker that lives after all back what is nobody's yet",
    arguments: Implementation.allCases)
  func attest(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.running(2)
      _ = try await subject.store.lose(worker, except: [], poisonLimit: 5, at: now)
      try await subject.register(other)
      let taken = try await subject.claim(1, by: other).jobs[0].job
      let running = jobs.map { RunningAttempt(job: $0.id, attempt: 1) }
      let decisions = try await subject.store.register(
        WorkerRegistration(worker: worker, epoch: 2, running: running), at: now)
      #expect(decisions == jobs.map { $0.id == taken ? .fenced : .kept })
      let rejoined = try #require(jobs.map(\.id).first { $0 != taken })
      #expect(try await subject.job(rejoined).status == .running)
      #expect(try await subject.job(rejoined).lostWorkers == 0)
      #expect(try await subject.store.due().isEmpty)
    }
  }

  // MARK: Commands and locks

  @Test("carries out commands, each tenant's on its own jobs", arguments: Implementation.allCases)
  func commands(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let job = try await subject.insert(1, tenant: UUID(number: 1))[0]
      #expect(try await subject.apply(.suspend, to: job.id, tenant: UUID(number: 2)) == nil)
      #expect(try await subject.apply(.suspend, to: JobID()) == nil)
      let suspended = try await subject.apply(.suspend, to: job.id, tenant: UUID(number: 1))
      #expect(suspended?.decision == .done)
      #expect(suspended?.job.status == .suspended)
      #expect(try await subject.store.due().isEmpty)
      _ = subject.log.take()
      #expect(try await subject.apply(.resume, to: job.id)?.decision == .done)
      let commit = try #require(subject.log.take().first)
      #expect(commit.transitions.map(\.to) == [.resuming, .waiting])
      #expect(commit.due.map(\.count) == [1])
      #expect(try await subject.apply(.cancel(reason: "no"), to: job.id)?.job.details == "no")
      #expect(try await subject.apply(.cancel(reason: "no"), to: job.id)?.decision == .pointless)
      guard case .rejected = try await subject.apply(.suspend, to: job.id)?.decision else {
        Issue.record("a final job was suspended")
        return
      }
    }
  }

  @Test("frees a locked job when the other one has ended", arguments: Implementation.allCases)
  func locks(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.running(3)
      func lock(_ job: Int, by other: JobID?) async throws -> LockAnswer {
        try await subject.store.lock(
          [LockRequest(job: jobs[job].id, attempt: 1, worker: worker, by: other)], at: now)[0]
      }
      #expect(try await lock(0, by: jobs[1].id) == .done)
      #expect(try await lock(1, by: jobs[2].id) == .done)
      #expect(
        try await lock(2, by: jobs[0].id)
          == .refused(.cycle([jobs[2], jobs[0], jobs[1], jobs[2]].map(\.id))))
      #expect(try await lock(2, by: jobs[2].id) == .refused(.cycle([jobs[2], jobs[2]].map(\.id))))
      let nobody = JobID()
      #expect(try await lock(2, by: nobody) == .refused(.unknown(nobody)))
      #expect(try await subject.job(jobs[0].id).status == .locked)
      // By the fast path, and by the other.
      try await subject.report(jobs[2].id, .ended(.completed(result: nil)))
      #expect(try await subject.job(jobs[1].id).status == .running)
      #expect(try await lock(0, by: jobs[2].id) == .refused(.ended(jobs[2].id, .completed)))
      try await subject.report(jobs[1].id, .ended(.failed(error: "no", permanent: true)))
      let freed = try await subject.job(jobs[0].id)
      #expect(freed.status == .running)
      #expect(freed.lockedBy == nil)
      #expect(try await lock(0, by: nil) == .done)
    }
  }

  // MARK: Look-ups

  @Test("lists what is asked for, with its true total", arguments: Implementation.allCases)
  func list(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let tenant = UUID(number: 1)
      let jobs = try await subject.insert(5, tenant: tenant)
      let others = try await subject.insert(
        3, type: "files:count", queue: .download, tenant: tenant)
      try await subject.insert(2)
      _ = try await subject.apply(.cancel(reason: nil), to: jobs[2].id)
      let later = try await subject.insert(1, tenant: tenant, at: now + 1000)
      func ids(_ query: JobQuery) async throws -> [JobID] {
        let page = try await subject.store.list(query)
        #expect(page.total == page.jobs.count)
        return page.jobs.map(\.id)
      }
      let all = (jobs + others + later).map(\.id)
      let ascending = JobOrder(.createdAt)
      #expect(try await ids(JobQuery(tenant: tenant)) == all.reversed())
      #expect(try await ids(JobQuery(tenant: tenant, order: ascending)) == all)
      #expect(
        try await ids(JobQuery(tenant: tenant, statuses: [.waiting], order: ascending))
          == all.filter { $0 != jobs[2].id })
      #expect(
        try await ids(JobQuery(tenant: tenant, statuses: [.canceled, .completed])) == [jobs[2].id])
      #expect(
        try await ids(
          JobQuery(
            tenant: tenant, statuses: [.waiting], type: try JobTypeID("files:count"),
            order: ascending)) == others.map(\.id))
      #expect(
        try await ids(JobQuery(tenant: tenant, queue: .download, order: ascending))
          == others.map(\.id))
      #expect(try await ids(JobQuery(tenant: UUID(number: 7))).isEmpty)
      #expect(try await ids(JobQuery(tenant: tenant, type: try JobTypeID("no:where"))).isEmpty)
      #expect(try await subject.store.list(JobQuery()).total == 11)
      for field in JobOrder.Field.allCases {
        let up = try await ids(JobQuery(tenant: tenant, order: JobOrder(field)))
        let down = try await ids(JobQuery(tenant: tenant, order: JobOrder(field, descending: true)))
        #expect(up == down.reversed())
        #expect(Set(up) == Set(all))
      }
      let page = try await subject.store.list(
        JobQuery(tenant: tenant, order: ascending, page: 2, pageSize: 4))
      #expect(page.total == 9)
      #expect(page.jobs.map(\.id) == Array(all[4..<8]))
      #expect(
        try await subject.store.list(JobQuery(tenant: tenant, page: .max, pageSize: 4)).jobs.isEmpty
      )
    }
  }

  @Test(
    "walks a list by cursor, each job once, though others come and change",
    arguments: Implementation.allCases, [true, false])
  func cursors(_ implementation: Implementation, _ descending: Bool) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.insert(20).map(\.id)
      var seen: [JobID] = []
      var cursor: JobCursor?
      repeat {
        let page = try await subject.store.list(
          JobQuery(
            tenant: .zero, order: JobOrder(.createdAt, descending: descending),
            part: cursor.map(JobQuery.Part.after) ?? .page(1), pageSize: 3))
        seen += page.jobs.map(\.id)
        cursor = page.next
        if descending { try await subject.insert(1) }
        _ = try await subject.apply(.cancel(reason: nil), to: jobs[seen.count % 20])
      } while cursor != nil
      #expect(seen == (descending ? jobs.reversed() : jobs))
      let nonsense = try #require(JobCursor("nonsense"))
      await #expect(throws: StoreError.self) {
        try await subject.store.list(JobQuery(tenant: .zero, part: .after(nonsense)))
      }
    }
  }

  @Test("shows no more at once than a server can bear", arguments: Implementation.allCases)
  func largePages(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let large = JSONValue.string(String(repeating: "x", count: JobQuery.mostBytes * 2 / 5))
      let jobs = try await subject.insert(6, params: ["text": large]).map(\.id)
      // Without a page, the list goes on where it is cut, if there is a way to say where.
      let cut = try await subject.store.list(
        JobQuery(tenant: .zero, order: JobOrder(.createdAt), part: .start, pageSize: 5))
      #expect(cut.jobs.map(\.id) == [jobs[0], jobs[1]])
      #expect(cut.next != nil)
      let refused: [(JobOrder.Field, JobQuery.Part)] = [
        (.updatedAt, .start), (.createdAt, .page(1)), (.createdAt, .page(2)),
      ]
      for (field, part) in refused {
        await #expect(throws: StoreError.self) {
          try await subject.store.list(
            JobQuery(tenant: .zero, order: JobOrder(field), part: part, pageSize: 3))
        }
      }
      for order in [JobOrder(.createdAt), JobOrder(.updatedAt)] {
        let page = try await subject.store.list(
          JobQuery(tenant: .zero, order: order, page: 2, pageSize: 2))
        #expect(page.jobs.map(\.id) == [jobs[2], jobs[3]])
      }
      let first = try await subject.store.list(
        JobQuery(tenant: .zero, order: JobOrder(.createdAt), pageSize: 1))
      let rest = try await subject.store.list(
        JobQuery(
          tenant: .zero, order: JobOrder(.createdAt), part: .after(try #require(first.next))))
      #expect(rest.jobs.map(\.id) == [jobs[1], jobs[2]])
      let last = try await subject.store.list(
        JobQuery(tenant: .zero, order: JobOrder(.createdAt), part: .after(try #require(rest.next))))
      #expect(last.jobs.map(\.id) == [jobs[3], jobs[4]])
      #expect(last.next != nil)
    }
  }

  @Test("sorts no more than it can at once", arguments: Implementation.allCases)
  func tooManyToSort(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let query = JobQuery(tenant: .zero, order: JobOrder(.updatedAt), pageSize: 1)
      _ = try await subject.insert(JobQuery.mostToSort)
      #expect(try await subject.store.list(query).total == JobQuery.mostToSort)
      _ = try await subject.insert(1)
      await #expect(throws: StoreError.self) { try await subject.store.list(query) }
      // What is found counts, not what is there.
      let other = JobQuery(
        tenant: .zero, statuses: [.failed], order: JobOrder(.updatedAt), pageSize: 1)
      #expect(try await subject.store.list(other).total == 0)
    }
  }

  @Test(
    "finds what is held, what is silent, and what stands between",
    arguments: Implementation.allCases)
  func held(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.running(4).sorted { $0.id < $1.id }
      try await subject.report(jobs[0].id, .progress(JobProgress(1)), at: now + 100)
      _ = try await subject.apply(.cancel(reason: nil), to: jobs[1].id)
      #expect(
        try await subject.store.jobs(heldBy: worker, after: jobs[0].id, limit: 2).map(\.id)
          == [jobs[1].id, jobs[2].id])
      let silent = try await subject.store.heldSilently(since: now + 50, after: nil, limit: 9)
      #expect(silent.map(\.attempt.job) == jobs.dropFirst().map(\.id))
      #expect(silent.map(\.isEnding) == [true, false, false])
      let between = try await subject.insert(3) { $0.status = .initializing }
        .map(\.id).sorted()
      #expect(
        try await subject.store.jobs(in: [.initializing], after: between[0], limit: 9).map(\.id)
          == Array(between.dropFirst()))
      #expect(
        try await subject.store.jobs(in: [.running, .canceling], after: nil, limit: 9).map(\.id)
          == jobs.map(\.id))
      #expect(try await subject.store.jobs([jobs[0].id, JobID()]).keys.map(\.self) == [jobs[0].id])
    }
  }

  @Test("keeps a log of what became of jobs", arguments: Implementation.allCases)
  func events(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = try await subject.running(2)
      try await subject.report(jobs[0].id, .ended(.completed(result: nil)))
      let all = try await subject.store.events(after: 0, limit: 99)
      #expect(all == subject.log.transitions)
      #expect(all.map(\.sequence) == all.map(\.sequence).sorted())
      #expect(Set(all.map(\.sequence)).count == 5)
      let own = try await subject.store.events(of: jobs[0].id, after: 0, limit: 99)
      #expect(own.map(\.to) == [.waiting, .running, .completed])
      #expect(
        try await subject.store.events(after: all[1].sequence, limit: 2) == Array(all[2...3]))
    }
  }

  @Test("remembers who is to be told of an end", arguments: Implementation.allCases)
  func replies(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let replies = [JobReply(address: "a"), JobReply(address: "b", correlationID: "7")]
      let jobs = try await subject.insert(3) { $0.replies = replies }
      #expect(try await subject.store.pendingReplies(after: 0, limit: 9).isEmpty)
      _ = subject.log.take()
      for job in jobs.prefix(2) { _ = try await subject.apply(.cancel(reason: nil), to: job.id) }
      #expect(subject.log.take().map(\.hasReplies) == [true, true])
      let pending = try await subject.store.pendingReplies(after: 0, limit: 9)
      #expect(pending.map(\.job.id) == jobs.prefix(2).map(\.id))
      #expect(
        try await subject.store.pendingReplies(after: pending[0].position, limit: 9)
          == [pending[1]])
      _ = try await subject.apply(.noteReplies([replies[0]]), to: jobs[0].id)
      #expect(try await subject.job(jobs[0].id).replies == [replies[1]])
      _ = try await subject.apply(.noteReplies(replies), to: jobs[0].id)
      #expect(
        try await subject.store.pendingReplies(after: 0, limit: 9).map(\.job.id) == [jobs[1].id])
    }
  }

  @Test("remembers queues, groups and types", arguments: Implementation.allCases)
  func catalog(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let queue = JobQueue(name: try JobQueueName("video"), capacity: 3)
      let group = try JobGroup("films", queue: queue.name, description: "a\0b")
      let type = JobTypeDescription(
        id: try JobTypeID("films:cut"), description: "Cuts", timeout: .seconds(1), retry: .never,
        priority: 4, params: [:], schema: try ParamsSchema(defaults: NoParams()),
        suspendable: false)
      try await subject.store.save(groups: [group], types: [type], queues: [queue])
      try await subject.store.save(
        groups: [], types: [], queues: [JobQueue(name: queue.name, capacity: 5)])
      let catalog = try await subject.store.catalog()
      #expect(catalog.queues == [JobQueue(name: queue.name, capacity: 5)])
      #expect(catalog.types == [type])
      #expect(catalog.groups.map(\.name) == ["films"])
    }
  }
}
