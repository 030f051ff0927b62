import Foundation
import JobStore
import Jobs
import Testing

/// Tenants that may have only so many jobs.
@Suite("Every store keeps quotas", .timeLimit(.minutes(3))) struct QuotaConformanceTests {
  private static let tenant = UUID()
  private static let other = UUID()
  private var tenant: UUID { Self.tenant }
  private var other: UUID { Self.other }

  private static func quotas(waiting: Int? = nil, running: Int? = nil) -> TenantQuotas {
    TenantQuotas(tenants: [tenant: Quota(waiting: waiting, running: running)])
  }

  private func new(
    _ count: Int, of tenant: UUID, status: JobStatus = .waiting, type: String = "files:checksum"
  ) throws -> [NewJob] {
    try (0..<count).map { _ in
      var job = Job(
        id: JobID(), tenantID: tenant, userID: .zero, idempotencyKey: UUID(),
        type: try JobTypeID(type), queue: .compute, params: ["path": "a"],
        timeout: .seconds(60), retry: RetryPolicy(maxRetries: 0, delay: .seconds(1)),
        scheduledAt: Subject.now, createdAt: Subject.now)
      job.status = status
      return NewJob(job, submitted: job.params)
    }
  }

  private func isCreated(_ insertion: Insertion) -> Bool {
    if case .created = insertion { true } else { false }
  }

  private func complete(
    _ jobs: [JobAssignment], _ subject: Subject, by worker: WorkerID = Subject.worker
  ) async throws {
    for job in jobs {
      let decision = try await subject.report(
        job.job, .ended(.completed(result: nil)), attempt: job.attempt, by: worker)
      #expect(decision == .applied)
    }
  }

  // MARK: Waiting

  @Test("takes as many jobs of a tenant as may wait", arguments: Implementation.allCases)
  func waiting(_ implementation: Implementation) async throws {
    try await Subject.with(implementation, quotas: Self.quotas(waiting: 3)) { subject in
      let jobs = try new(2, of: tenant) + new(3, of: tenant, status: .initializing)
      let insertions = try await subject.store.insert(
        jobs + new(5, of: other), at: Subject.now)
      #expect(
        insertions.map(isCreated) == [true, true, true, false, false]
          + Array(repeating: true, count: 5))
      #expect(insertions[4] == .exceeded(ExceededQuota(.waiting, limit: 3, used: 3)))
      // What is known is answered whatever there is room for, also where somebody else has found that there is none.
      let rate = ExceededQuota(.perMinute, limit: 1, used: 1)
      var known = jobs[0]
      known.exceeded = rate
      var unknown = try new(1, of: other)[0]
      unknown.exceeded = rate
      #expect(
        try await subject.store.insert([jobs[1], known, unknown], at: Subject.now) == [
          .repeated(jobs[1].job), .repeated(jobs[0].job), .exceeded(rate),
        ])
      try await subject.register()
      #expect(try await subject.claim(2).jobs.count == 2)
      let more = try await subject.store.insert(new(3, of: tenant), at: Subject.now)
      #expect(more.map(isCreated) == [true, true, false])
    }
  }

  @Test("takes no more from two at once than from one", arguments: Implementation.allCases)
  func together(_ implementation: Implementation) async throws {
    try await Subject.with(implementation, quotas: Self.quotas(waiting: 10)) { subject in
      let created = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<8 {
          let jobs = try new(4, of: tenant)
          group.addTask {
            try await subject.store.insert(jobs, at: Subject.now).count(where: isCreated)
          }
        }
        return try await group.reduce(0, +)
      }
      #expect(created == 10)
    }
  }

  // MARK: Running

  @Test(
    "gives as many jobs of a tenant as may run; the next when one has ended, the best first",
    arguments: Implementation.allCases)
  func running(_ implementation: Implementation) async throws {
    try await Subject.with(implementation, quotas: Self.quotas(running: 2)) { subject in
      try await subject.register()
      let jobs = try await subject.insert(5, tenant: tenant)
      let first = try await subject.claim(5)
      #expect(first.jobs.map(\.job) == jobs.prefix(2).map(\.id))
      #expect(first.rest == .void)
      #expect(try await subject.store.due().isEmpty)
      let waiting = JobQuery(tenant: tenant, statuses: [.waiting])
      #expect(try await subject.store.list(waiting).total == 3)
      #expect(
        try await subject.store.counts().first { $0.status == .waiting }?.count == 3)

      // It is not even offered, and goes before the others all the same.
      _ = subject.log.take()
      let urgent = try await subject.insert(1, tenant: tenant, priority: 9)[0]
      #expect(try await subject.store.due().isEmpty)
      #expect(subject.log.take().flatMap(\.due).isEmpty)
      try await complete([first.jobs[0]], subject)
      #expect(subject.log.take().flatMap(\.due).map(\.count) == [1])
      #expect(try await subject.store.due().map(\.count) == [1])
      let second = try await subject.claim(5)
      #expect(second.jobs.map(\.job) == [urgent.id])
      try await complete([first.jobs[1], second.jobs[0]], subject)
      #expect(try await subject.store.due().map(\.count) == [2])
      #expect(try await subject.claim(5).jobs.map(\.job) == [jobs[2].id, jobs[3].id])
    }
  }

  @Test(
    "looks on at the others behind a backlog of a tenant that may run no more",
    arguments: Implementation.allCases)
  func others(_ implementation: Implementation) async throws {
    let count = implementation == .sqlite ? 2500 : 300
    try await Subject.with(implementation, quotas: Self.quotas(running: 1)) { subject in
      try await subject.register()
      try await subject.insert(count, tenant: tenant)
      let foreign = try await subject.insert(2, tenant: other)
      let first = try await subject.claim(1)
      #expect(first.jobs.map(\.tenant) == [tenant])
      #expect(try await subject.claim(1).jobs.map(\.job) == [foreign[0].id])
      #expect(try await subject.store.due().map(\.count) == [1])
      #expect(try await subject.claim(3).jobs.map(\.job) == [foreign[1].id])
      try await complete(first.jobs, subject)
      #expect(try await subject.store.due().map(\.count) == [1])
      #expect(try await subject.claim(3).jobs.map(\.tenant) == [tenant])
    }
  }

  @Test("lets jobs of the server's own past all quotas", arguments: Implementation.allCases)
  func own(_ implementation: Implementation) async throws {
    try await Subject.with(implementation, quotas: Self.quotas(waiting: 2, running: 1)) { subject in
      try await subject.register()
      let own = try new(3, of: tenant, type: WebhookDelivery.type.description)
      let insertions = try await subject.store.insert(
        own + new(3, of: tenant), at: Subject.now)
      #expect(insertions.map(isCreated) == [true, true, true, true, true, false])
      let types = ["files:checksum", WebhookDelivery.type.description]
      let claimed = try await subject.claim(10, types: types).jobs
      #expect(claimed.map(\.type).count { $0.isReserved } == 3)
      #expect(claimed.count == 4)
      // Neither does the end of one make room for the tenant's own.
      try await complete(claimed.filter(\.type.isReserved), subject)
      #expect(try await subject.claim(10, types: types).jobs.isEmpty)
      try await complete(claimed.filter { !$0.type.isReserved }, subject)
      #expect(try await subject.claim(10, types: types).jobs.count == 1)
    }
  }

  @Test("gives the next, in whatever way one has left", arguments: Implementation.allCases)
  func leaving(_ implementation: Implementation) async throws {
    try await Subject.with(implementation, quotas: Self.quotas(running: 1)) { subject in
      let worker = WorkerID(rawValue: "lost")
      try await subject.register()
      try await subject.register(worker)
      let jobs = try await subject.insert(5, tenant: tenant)
      #expect(try await subject.claim(5, by: worker).jobs.map(\.job) == [jobs[0].id])
      // What was lost is waiting again, and the best.
      _ = try await subject.store.lose(worker, except: [], poisonLimit: 5, at: Subject.now)
      let again = try await subject.claim(5)
      #expect(again.jobs.map(\.job) == [jobs[0].id])
      try await subject.report(
        jobs[0].id, .ended(.failed(error: "no", permanent: true)), attempt: again.jobs[0].attempt)
      // The one that is due now is canceled, and the next one is.
      _ = try await subject.apply(.cancel(reason: nil), to: jobs[1].id)
      #expect(try await subject.store.due().map(\.count) == [1])
      // So is one that is held back: nothing else becomes due for it.
      _ = try await subject.apply(.cancel(reason: nil), to: jobs[4].id)
      #expect(try await subject.job(jobs[4].id).status == .canceled)
      #expect(try await subject.store.due().map(\.count) == [1])
      #expect(try await subject.claim(5).jobs.map(\.job) == [jobs[2].id])
      _ = try await subject.apply(.lose(attempt: 1, poisonLimit: 1), to: jobs[2].id)
      #expect(try await subject.claim(5).jobs.map(\.job) == [jobs[3].id])
    }
  }

  @Test(
    "jobs of types that nobody runs take no room from others of their tenant",
    arguments: Implementation.allCases)
  func types(_ implementation: Implementation) async throws {
    try await Subject.with(implementation, quotas: Self.quotas(running: 1)) { subject in
      try await subject.register()
      let first = try await subject.insert(1, tenant: tenant)
      let running = try await subject.claim(1)
      try await subject.insert(3, type: "files:count", tenant: tenant, priority: 9)
      let second = try await subject.insert(1, tenant: tenant)
      #expect(running.jobs.map(\.job) == first.map(\.id))
      try await complete(running.jobs, subject)
      #expect(try await subject.claim(1).jobs.map(\.job) == second.map(\.id))
    }
  }

  @Test(
    "never gives more than may run, and all end, whatever happens meanwhile",
    arguments: Implementation.allCases, [1, 2, 3, 4] as [UInt64])
  func anything(_ implementation: Implementation, seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    try await Subject.with(implementation, quotas: Self.quotas(waiting: 30, running: 3)) {
      subject in
      try await subject.register()
      let types = ["files:checksum", "files:count"]
      var running: [JobAssignment] = []
      var jobs: [JobID] = []
      func check() async throws {
        let held = try await subject.store.jobs(
          in: [.running, .canceling, .suspending, .locked], after: nil, limit: 100)
        #expect(held.count { $0.tenantID == tenant } <= 3)
      }
      for _ in 0..<150 {
        switch Int.random(in: 0..<10, using: &random) {
        case 0...3:
          let owner = Bool.random(using: &random) ? tenant : other
          let insertions = try await subject.store.insert(
            new(Int.random(in: 1...6, using: &random), of: owner), at: Subject.now)
          for case .created(let job) in insertions { jobs.append(job.id) }
        case 4...6:
          let answer = try await subject.claim(
            Int.random(in: 1...5, using: &random),
            types: Bool.random(using: &random) ? types : ["files:checksum"])
          running += answer.jobs
        case 7, 8:
          guard let index = running.indices.randomElement(using: &random) else { continue }
          let job = running.remove(at: index)
          let content: JobReport.Content =
            Bool.random(using: &random)
            ? .ended(.completed(result: nil)) : .ended(.failed(error: "no", permanent: true))
          try await subject.report(job.job, content, attempt: job.attempt)
        default:
          guard let job = jobs.randomElement(using: &random) else { continue }
          if running.contains(where: { $0.job == job }) { continue }
          _ = try await subject.apply(
            Bool.random(using: &random) ? .cancel(reason: nil) : .suspend, to: job)
        }
        try await check()
      }
      for _ in 0..<500 {
        running += try await subject.claim(5, types: types).jobs
        guard !running.isEmpty else { break }
        try await check()
        try await complete(running, subject)
        running = []
      }
      let left = try await subject.store.jobs(
        in: [.waiting, .running, .canceling], after: nil, limit: 100)
      #expect(left.isEmpty)
      #expect(try await subject.store.due().isEmpty)
    }
  }
}

/// What only a file has: the quotas of its last server.
@Suite("A store's file and quotas", .timeLimit(.minutes(2))) struct QuotaFileTests {
  @Test(
    "what was held back is due again as far as the quotas of today allow",
    arguments: [3, nil] as [Int?])
  func reopened(running: Int?) async throws {
    let folder = try TemporaryFolder()
    var options = StoreOptions()
    options.quotas = TenantQuotas(Quota(running: 1))
    let before = try StoreFixture(folder, options: options)
    let subject = Subject(store: before.store, log: before.log)
    try await subject.register()
    try await subject.insert(6)
    #expect(try await subject.claim(6).jobs.count == 1)
    #expect(try await before.store.due().isEmpty)
    try before.store.close()
    options.quotas = TenantQuotas(Quota(running: running))
    let after = try StoreFixture(folder, options: options)
    #expect(try await after.store.due().map(\.count) == [running == nil ? 5 : 2])
    #expect(
      try await Subject(store: after.store, log: after.log).claim(6).jobs.count
        == (running == nil ? 5 : 2))
    try after.store.close()
  }
}
