package import Foundation
import GRDB
package import Jobs
package import Logging

/// The store of jobs in a SQLite file. A single process has it open; its writers share transactions, its readers wait for
/// none of them.
package final class SQLiteStore: JobStore {
  private let file: StoreFile
  let writes: WriteQueue
  let damageLog: DamageLog

  /// Opens the file, or makes it.
  ///
  /// - Parameter onCommit: told of each commit before the calls that were part of it return; on the writer's thread, so
  ///   that it must not wait for anything.
  package convenience init(
    path: String, quotas: TenantQuotas = TenantQuotas(), logger: Logger,
    onCommit: @escaping @Sendable (StoreCommit) -> Void
  ) throws(StoreFileError) {
    var options = StoreOptions()
    options.quotas = quotas
    try self.init(path: path, options: options, logger: logger, onCommit: onCommit)
  }

  package init(
    path: String, options: StoreOptions, logger: Logger,
    onCommit: @escaping @Sendable (StoreCommit) -> Void
  ) throws(StoreFileError) {
    file = try StoreFile(path: path, options: options)
    damageLog = DamageLog(logger: logger)
    do {
      writes = try WriteQueue(
        pool: file.pool, options: options, logger: logger, damage: damageLog, onCommit: onCommit)
    } catch {
      throw .store(error)
    }
    logger.info("the status store is open", metadata: ["path": "\(file.path)"])
  }

  /// Takes no more work, waits for what is under way, and closes the file.
  package func close() throws(StoreError) {
    writes.close()
    try file.close()
  }

  /// How many calls wait for the next transaction.
  package var pendingWrites: Int { writes.pendingCount }

  package var damage: StoreDamage { damageLog.damage }

  // MARK: Writing

  package func insert(
    _ jobs: [NewJob], at now: Timestamp
  ) async throws(StoreError) -> [Insertion] {
    guard !jobs.isEmpty else { return [] }
    let bytes = jobs.reduce(0) { $0 + $1.job.params.sizeBound }
    return try await writes.write(weight: jobs.count, bytes: bytes) {
      try $0.insert(jobs, at: now)
    }
  }

  package func withdraw(_ job: JobID, at now: Timestamp) async throws(StoreError) -> Deletion {
    try await writes.write { try $0.withdraw(job, at: now) }
  }

  package func register(
    _ registration: WorkerRegistration, at now: Timestamp
  ) async throws(StoreError) -> [Job.Attestation] {
    try await writes.write(weight: registration.running.count + 1) {
      try $0.register(registration, at: now)
    }
  }

  package func claim(
    _ requests: [ClaimRequest], bytes: Int, at now: Timestamp
  ) async throws(StoreError) -> [ClaimAnswer] {
    guard !requests.isEmpty else { return [] }
    var outcomes: [ClaimOutcome] = []
    var open = Array(requests.indices)
    // Again, where a transaction had enough to do with jobs that are held back; others write in between.
    while !open.isEmpty {
      let indices = open
      let weight = indices.reduce(0) { $0 + requests[$1].count }
      let found = try await writes.write(weight: weight) { transaction in
        try indices.map { try transaction.claim(requests[$0], bytes: bytes, at: now) }
      }
      if outcomes.isEmpty { outcomes = found }
      for (index, outcome) in zip(indices, found) { outcomes[index] = outcome }
      open = indices.filter { outcomes[$0].isCut && outcomes[$0].answer.jobs.isEmpty }
    }
    return outcomes.map(\.answer)
  }

  package func report(
    _ reports: [JobReport], chances: [Double], at now: Timestamp
  ) async throws(StoreError) -> [Job.ReportDecision] {
    guard !reports.isEmpty else { return [] }
    // Here, since nobody waits for it: the writer has everybody's work to do.
    let plain = reports.map(\.isPlainCompletion)
    return try await writes.write(weight: reports.count) {
      try $0.report(reports, plain, chances: chances, at: now)
    }
  }

  package func lock(
    _ requests: [LockRequest], at now: Timestamp
  ) async throws(StoreError) -> [LockAnswer] {
    guard !requests.isEmpty else { return [] }
    return try await writes.write(weight: requests.count) { transaction in
      try requests.map { try transaction.lock($0, at: now) }
    }
  }

  package func lose(
    _ worker: WorkerID, except kept: Set<RunningAttempt>, poisonLimit: Int, at now: Timestamp
  ) async throws(StoreError) -> [RunningAttempt] {
    try await writes.write {
      try $0.lose(worker, except: kept, poisonLimit: poisonLimit, at: now)
    }
  }

  package func apply(
    _ commands: [JobCommand], at now: Timestamp
  ) async throws(StoreError) -> [JobCommand.Result?] {
    guard !commands.isEmpty else { return [] }
    return try await writes.write(weight: commands.count) { transaction in
      try commands.map { try transaction.apply($0, at: now) }
    }
  }

  package func delete(
    _ job: JobID, tenant: UUID?, at now: Timestamp
  ) async throws(StoreError) -> Deletion {
    try await writes.write { try $0.delete(job, tenant: tenant, at: now) }
  }

  package func prune(
    _ policy: RetentionPolicy, at now: Timestamp, limit: Int
  ) async throws(StoreError) -> Pruned {
    try await writes.write(weight: limit) { try $0.prune(policy, at: now, limit: limit) }
  }

  package func promote(
    at now: Timestamp, limit: Int
  ) async throws(StoreError) -> Timestamp? {
    try await writes.write(weight: limit) { try $0.promote(at: now, limit: limit) }
  }

  package func save(
    groups: [JobGroup], types: [JobTypeDescription], queues: [JobQueue]
  ) async throws(StoreError) {
    guard !groups.isEmpty || !types.isEmpty || !queues.isEmpty else { return }
    try await writes.write { transaction in
      for queue in queues { try transaction.save(queue) }
      for group in groups { try transaction.save(group) }
      for type in types { try transaction.save(type) }
    }
  }

  package func checkHealth() async throws(StoreError) {
    try await writes.write(weight: 0) { transaction in
      try transaction.execute(Health.touch, [Timestamp.now.milliseconds.databaseValue])
    }
    _ = try await read { db in
      try Int.fetchOne(db, sql: "SELECT checked_at FROM store_health")
    }
  }

  // MARK: Reading

  package func workers() async throws(StoreError) -> [WorkerID] {
    let names = try await read { db in
      try String.fetchAll(db.cachedStatement(sql: Lookups.workers))
    }
    return names.sorted().map(WorkerID.init(rawValue:))
  }

  package func due() async throws(StoreError) -> [DueJobs] {
    try await read { try Counts.due($0) }
  }

  package func counts(
    tenant: UUID?, scope: JobScope
  ) async throws(StoreError) -> [QueueCount] {
    try await read { try Counts.byQueue(tenant, scope, $0) }
  }

  package func heldCounts() async throws(StoreError) -> [WorkerID: Int] {
    try await read { try Counts.held($0) }
  }

  package func job(_ id: JobID, tenant: UUID?) async throws(StoreError) -> Job? {
    try await read { db in
      if let tenant { return try Self.find(id, tenant: tenant, db)?.job }
      return try StoredJob.fetchOne(
        db.cachedStatement(sql: StoredJob.byID), [id.uuid.databaseValue])?.job
    }
  }

  package func kind(of id: JobID, tenant: UUID) async throws(StoreError) -> JobKind? {
    try await read { db in
      let rows = try Row.fetchCursor(
        db.cachedStatement(sql: StoredJob.kind), arguments: [id.uuid, tenant])
      return try withExtendedLifetime(rows) {
        try rows.next().map { row in
          JobKind(
            type: try? JobTypeID(row.decode(String.self, atIndex: 0)),
            queue: try? JobQueueName(row.decode(String.self, atIndex: 1)))
        }
      }
    }
  }

  private static func find(_ id: JobID, tenant: UUID, _ db: Database) throws -> StoredJob? {
    try StoredJob.fetchOne(
      db.cachedStatement(sql: StoredJob.byIDOfTenant),
      [id.uuid.databaseValue, tenant.databaseValue])
  }

  package func job(idempotencyKey: UUID, tenant: UUID) async throws(StoreError) -> Job? {
    try await read { db in try Self.find(key: idempotencyKey, tenant: tenant, db)?.job }
  }

  package func log(
    of job: JobID, tenant: UUID?, after number: Int64
  ) async throws(StoreError) -> JobLog? {
    let found = try await read { db -> (log: JobLog?, skipped: [String]) in
      var skipped: [String] = []
      let log = try JobLogs.fetch(job, tenant, after: number, db, skipped: &skipped)
      return (log, skipped)
    }
    damageLog.noteSkipped(found.skipped)
    return found.log
  }

  package func find(
    _ lookups: [JobLookup], bytes: Int
  ) async throws(StoreError) -> [JobFinding] {
    guard !lookups.isEmpty else { return [] }
    let (findings, damaged) = try await read { db -> ([JobFinding], [UnreadableRow]) in
      var read = ReadJobs()
      var findings: [JobFinding] = []
      var room = bytes
      for lookup in lookups {
        guard room > 0 else {
          findings.append(.left)
          continue
        }
        let job = try read.add(includesDamaged: true) { try Self.find(lookup, db) }
        room -= job.map { $0.params.sizeBound + ($0.result?.sizeBound ?? 0) } ?? 0
        findings.append(job.map { .found($0) } ?? .unknown)
      }
      return (findings, read.damaged)
    }
    await setAside(damaged)
    return findings
  }

  private static func find(_ lookup: JobLookup, _ db: Database) throws -> StoredJob? {
    switch lookup {
    case .id(let id, let tenant): return try find(id, tenant: tenant, db)
    case .key(let key, let tenant): return try find(key: key, tenant: tenant, db)
    }
  }

  private static func find(key: UUID, tenant: UUID, _ db: Database) throws -> StoredJob? {
    let number = try Int64.fetchOne(
      db.cachedStatement(sql: "SELECT number FROM tenant WHERE id = ?"), arguments: [tenant])
    guard let number else { return nil }
    if let stored = try StoredJob.fetchOne(
      db.cachedStatement(sql: StoredJob.byKey), [number.databaseValue, key.databaseValue])
    {
      return stored
    }
    let stored = try find(JobID(key), tenant: tenant, db)
    return stored?.job.idempotencyKey == key ? stored : nil
  }

  package func jobs(_ ids: [JobID]) async throws(StoreError) -> [JobID: Job] {
    guard !ids.isEmpty else { return [:] }
    let jobs = try await readJobs { db in
      var found = ReadJobs()
      let statement = try db.cachedStatement(sql: StoredJob.byID)
      for id in Set(ids) {
        try found.add(includesDamaged: true) {
          try StoredJob.fetchOne(statement, [id.uuid.databaseValue])
        }
      }
      return found
    }
    return Dictionary(jobs.map { ($0.id, $0) }) { $1 }
  }

  package func submitted(
    _ ids: [JobID], bytes: Int
  ) async throws(StoreError) -> [NewJob?] {
    guard !ids.isEmpty else { return [] }
    let (jobs, damaged) = try await read { db -> ([NewJob?], [UnreadableRow]) in
      var read = ReadJobs()
      var jobs: [NewJob?] = []
      var room = bytes
      for id in ids where room > 0 {
        let job = try read.add(includesDamaged: false) {
          try StoredJob.fetchOne(
            db.cachedStatement(sql: StoredJob.byID), [id.uuid.databaseValue])
        }
        let text = try Data.fetchOne(
          db.cachedStatement(sql: Insertions.submittedByID), arguments: [id.uuid])
        room -= text?.count ?? 0
        let submitted = text.flatMap { try? JSONValue(parsing: $0) }
        jobs.append(job.flatMap { job in submitted.map { NewJob(job, submitted: $0) } })
      }
      return (jobs, read.damaged)
    }
    await setAside(damaged)
    return jobs
  }

  package func list(_ query: JobQuery) async throws(StoreError) -> JobPage {
    let (total, found, next) = try await read { db -> (Int, ReadJobs, JobCursor?) in
      guard let listing = try Listing(query, db) else { return (0, ReadJobs(), nil) }
      let page = try listing.page(db)
      return (listing.total, page.found, page.next)
    }
    await setAside(found.damaged)
    return JobPage(jobs: found.jobs, total: total, next: next)
  }

  package func jobs(
    in statuses: Set<JobStatus>, after id: JobID?, limit: Int
  ) async throws(StoreError) -> [Job] {
    guard !statuses.isEmpty, limit > 0 else { return [] }
    let codes = statuses.flatMap(StatusCode.codes).sorted()
    return try await readJobs { db in
      let numbers =
        if let code = codes.first, codes.count == 1, [0, 2].contains(code) {
          try Int64.fetchCursor(
            db.cachedStatement(sql: Lookups.between), arguments: [code, Self.bound(id), -1])
        } else {
          try Int64.fetchCursor(
            db.cachedStatement(sql: Lookups.inStatuses),
            arguments: [Self.bound(id), codes.map(Int64.init).json, -1])
        }
      return try Self.readable(numbers, limit: limit, db)
    }
  }

  package func jobs(
    heldBy worker: WorkerID, after id: JobID?, limit: Int
  ) async throws(StoreError) -> [Job] {
    try await readJobs { db in
      let number = try Int64.fetchOne(
        db.cachedStatement(sql: "SELECT number FROM worker WHERE name = ?"),
        arguments: [storable(worker.rawValue)])
      guard let number else { return ReadJobs() }
      let numbers = try Int64.fetchCursor(
        db.cachedStatement(sql: Lookups.heldBy), arguments: [number, Self.bound(id), -1])
      return try Self.readable(numbers, limit: limit, db)
    }
  }

  package func heldSilently(
    since time: Timestamp, after id: JobID?, limit: Int
  ) async throws(StoreError) -> [HeldAttempt] {
    try await read { db in
      let rows = try Row.fetchCursor(
        db.cachedStatement(sql: Lookups.silent),
        arguments: [time.milliseconds, Self.bound(id), max(0, limit)])
      var attempts: [HeldAttempt] = []
      while let row = try rows.next() {
        let status = StatusCode.status(try row.decode(Int.self, atIndex: 3))
        attempts.append(
          HeldAttempt(
            attempt: RunningAttempt(
              job: JobID(try row.decode(UUID.self, atIndex: 0)),
              attempt: try row.decode(Int.self, atIndex: 1)),
            worker: WorkerID(rawValue: try row.decode(String.self, atIndex: 2)),
            isEnding: status == .canceling || status == .suspending))
      }
      return attempts
    }
  }

  package func events(
    after sequence: Int64, limit: Int
  ) async throws(StoreError) -> [JobEvent] {
    try await events(
      Events.after, [sequence.databaseValue, max(0, limit).databaseValue])
  }

  package func events(
    after sequence: Int64, matching filter: EventFilter, limit: Int
  ) async throws(StoreError) -> EventPage {
    let (page, skipped) = try await read { db in
      var skipped: [String] = []
      let page = try Events.fetchPage(
        after: sequence, filter, limit: limit, db, skipped: &skipped)
      return (page, skipped)
    }
    damageLog.noteSkipped(skipped)
    return page
  }

  package func newestEvent() async throws(StoreError) -> Int64 {
    try await read { db in
      try Int64.fetchOne(db.cachedStatement(sql: Events.newest)) ?? 0
    }
  }

  package func events(
    of job: JobID, after sequence: Int64, limit: Int
  ) async throws(StoreError) -> [JobEvent] {
    try await events(
      Events.ofJob,
      [
        job.uuid.databaseValue, sequence.databaseValue, max(0, limit).databaseValue,
      ])
  }

  private func events(
    _ sql: String, _ values: [DatabaseValue]
  ) async throws(StoreError) -> [JobEvent] {
    let (events, skipped) = try await read { db in
      var skipped: [String] = []
      let events = try Events.fetchAll(sql, values, db, skipped: &skipped)
      return (events, skipped)
    }
    damageLog.noteSkipped(skipped)
    return events
  }

  package func pendingReplies(
    after position: Int64, limit: Int
  ) async throws(StoreError) -> [PendingReply] {
    let (pending, damaged) = try await read { db in
      let numbers = try Int64.fetchCursor(
        db.cachedStatement(sql: Lookups.telling), arguments: [position, -1])
      let statement = try db.cachedStatement(sql: StoredJob.byNumber)
      var pending: [PendingReply] = []
      var found = ReadJobs()
      while pending.count < limit, let number = try numbers.next() {
        let job = try found.add(includesDamaged: true) {
          try StoredJob.fetchOne(statement, [number.databaseValue])
        }
        if let job, !job.replies.isEmpty {
          pending.append(PendingReply(position: number, job: job))
        }
      }
      return (pending, found.damaged)
    }
    await setAside(damaged)
    return pending
  }

  package func prunable(
    _ policy: RetentionPolicy, at now: Timestamp
  ) async throws(StoreError) -> Pruned {
    try await read { try Pruning.countAll(policy, at: now, $0) }
  }

  package func catalog() async throws(StoreError) -> StoredCatalog {
    let (catalog, skipped) = try await read { db in
      var skipped: [String] = []
      let catalog = try Catalogs.all(db, skipped: &skipped)
      return (catalog, skipped)
    }
    damageLog.noteSkipped(skipped)
    return catalog
  }

  /// Less than every id that is asked for.
  private static func bound(_ id: JobID?) -> DatabaseValue {
    id?.uuid.databaseValue ?? Data().databaseValue
  }

  /// The jobs of these rows, without those that cannot be read.
  private static func readable(
    _ numbers: some DatabaseCursor<Int64>, limit: Int, _ db: Database
  ) throws -> ReadJobs {
    let statement = try db.cachedStatement(sql: StoredJob.byNumber)
    var found = ReadJobs()
    while found.jobs.count < limit, let number = try numbers.next() {
      try found.add(includesDamaged: false) {
        try StoredJob.fetchOne(statement, [number.databaseValue])
      }
    }
    return found
  }

  private func readJobs(
    _ work: @escaping @Sendable (Database) throws -> ReadJobs
  ) async throws(StoreError) -> [Job] {
    let found = try await read(work)
    await setAside(found.damaged)
    return found.jobs
  }

  /// Takes rows that cannot be read out of everybody's way.
  private func setAside(_ rows: [UnreadableRow]) async {
    guard !rows.isEmpty else { return }
    damageLog.noteSkipped(rows.map(\.description))
    do {
      try await writes.write(weight: rows.count) { transaction in
        for row in rows { try transaction.setAside(number: row.number, at: .now) }
      }
    } catch {
      // It is tried again with the next look.
      damageLog.noteNotSetAside(error)
    }
  }

  func read<Answer: Sendable>(
    _ work: @escaping @Sendable (Database) throws -> Answer
  ) async throws(StoreError) -> Answer {
    let outcome: Result<Answer, StoreError> = await withCheckedContinuation { continuation in
      file.pool.asyncRead { access in
        continuation.resume(
          returning: Result { () throws(StoreError) in
            try translatingErrors { try work(access.get()) }
          })
      }
    }
    do {
      return try outcome.get()
    } catch {
      // Whatever SQLite calls it.
      throw writes.isClosed ? .closed : error
    }
  }
}
