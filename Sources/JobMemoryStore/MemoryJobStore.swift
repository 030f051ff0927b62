package import Foundation
package import Jobs
import Synchronization

/// A store in memory, by the pure functions of the lifecycle and nothing else: what the set-based statements of another are
/// held against.
package final class MemoryJobStore: JobStore {
  struct Entry {
    var job: Job
    var submitted: JSONValue
    let number: Int64
    /// Whether it waits and its time has come.
    var isDue = false
    /// Whether it would be due, and waits until its tenant runs fewer jobs.
    var isHeldBack = false
    var log: [JobLogLine] = []
    var logEnd = JobLogEnd()
  }

  struct State {
    var jobs: [JobID: Entry] = [:]
    var tombstones: [JobID: Timestamp] = [:]
    var epochs: [WorkerID: Int64] = [:]
    var events: [JobEvent] = []
    /// The highest number of a transition that went with its job.
    var removedEvents: [UUID: Int64] = [:]
    var groups: [String: JobGroup] = [:]
    var types: [JobTypeID: JobTypeDescription] = [:]
    var queues: [JobQueueName: JobQueue] = [:]
    /// In the order in which they came.
    var operations: [BulkOperation] = []
    /// In the order in which they came.
    var deadLetters: [DeadLetterEntry] = []
    var lastDeadLetter: Int64 = 0
    /// How far those have come who read the transition log for the server itself.
    var readers: [String: Int64] = [:]
    var nextNumber: Int64 = 1
    var nextSequence: Int64 = 1
    var commit = StoreCommit()
    var quotas = TenantQuotas()
    /// How many jobs fewer than before a tenant runs.
    var ended: [UUID: Int] = [:]

    var ordered: [Entry] { jobs.values.sorted { $0.number < $1.number } }
  }

  private let state: Mutex<State>
  private let onCommit: @Sendable (StoreCommit) -> Void

  package init(
    quotas: TenantQuotas = TenantQuotas(),
    onCommit: @escaping @Sendable (StoreCommit) -> Void = { _ in }
  ) {
    var state = State()
    state.quotas = quotas
    self.state = Mutex(state)
    self.onCommit = onCommit
  }

  func write<Answer>(_ work: (inout State) -> Answer) -> Answer {
    let (answer, commit) = state.withLock { state in
      let answer = work(&state)
      state.releaseHeldBack()
      defer { state.commit = StoreCommit() }
      return (answer, state.commit)
    }
    if !commit.isEmpty { onCommit(commit) }
    return answer
  }

  func read<Answer>(_ work: (State) -> Answer) -> Answer {
    state.withLock { work($0) }
  }

  // MARK: Intake

  package func insert(_ jobs: [NewJob], at now: Timestamp) -> [Insertion] {
    write { state in jobs.map { state.insert($0, at: now) } }
  }

  package func place(ofReader name: String) -> Int64? {
    read { $0.readers[name] }
  }

  package func moveReader(
    _ name: String, to place: Int64?, inserting jobs: [NewJob], at now: Timestamp
  ) -> [Insertion] {
    write { state in
      state.readers[name] = place
      return jobs.map { state.insert($0, at: now) }
    }
  }

  package func withdraw(_ job: JobID, at now: Timestamp) -> Deletion {
    write { state in
      guard let entry = state.jobs[job] else { return .unknown }
      guard entry.job.status == .initializing, !entry.job.isShared else {
        return .refused(entry.job)
      }
      state.remove(entry, at: now)
      return .deleted(entry.job)
    }
  }

  // MARK: Workers

  package func register(
    _ registration: WorkerRegistration, at now: Timestamp
  ) -> [Job.Attestation] {
    write { state in
      let known = state.epochs[registration.worker]
      state.epochs[registration.worker] = max(known ?? registration.epoch, registration.epoch)
      return registration.running.map { attempt in
        state.change(attempt.job, at: now) { job in
          job.attest(attempt: attempt.attempt, by: registration.worker, at: now)
        } ?? .fenced
      }
    }
  }

  package func workers() -> [WorkerID] {
    read { $0.epochs.keys.sorted { $0.rawValue < $1.rawValue } }
  }

  package func claim(
    _ requests: [ClaimRequest], bytes: Int, at now: Timestamp
  ) -> [ClaimAnswer] {
    write { state in requests.map { state.claim($0, bytes: bytes, at: now) } }
  }

  package func report(
    _ reports: [JobReport], chances: [Double], at now: Timestamp
  ) -> [Job.ReportDecision] {
    write { state in
      zip(reports, chances).map { report, chance in
        let decision =
          state.change(report.job, at: now) { $0.apply(report, at: now, chance: chance) } ?? .fenced
        if decision == .applied, case .log(let set) = report.content,
          let lines = state.jobs[report.job]?.logEnd.append(set, of: report.attempt)
        {
          state.jobs[report.job]?.log += lines
        }
        return decision
      }
    }
  }

  package func lock(
    _ requests: [LockRequest], at now: Timestamp
  ) -> [LockAnswer] {
    write { state in requests.map { state.lock($0, at: now) } }
  }

  package func lose(
    _ worker: WorkerID, except kept: Set<RunningAttempt>, poisonLimit: Int, at now: Timestamp
  ) -> [RunningAttempt] {
    write { state in
      state.epochs[worker] = nil
      let held = state.jobs.values.map(\.job).filter { $0.status.isHeld && $0.worker == worker }
      return held.sorted { $0.id < $1.id }.compactMap { job in
        let attempt = RunningAttempt(job: job.id, attempt: job.attempt)
        guard job.status == .canceling || !kept.contains(attempt) else { return nil }
        state.change(job.id, at: now) { $0.loseWorker(at: now, poisonLimit: poisonLimit) }
        return attempt
      }
    }
  }

  // MARK: Commands

  package func apply(
    _ commands: [JobCommand], at now: Timestamp
  ) -> [JobCommand.Result?] {
    write { state in
      commands.map { command in
        guard let job = state.jobs[command.job]?.job,
          command.tenant == nil || command.tenant == job.tenantID
        else { return nil }
        let decision = state.change(command.job, at: now) { $0.apply(command.action, at: now) }
        guard let decision, let after = state.jobs[command.job]?.job else { return nil }
        return JobCommand.Result(decision, after)
      }
    }
  }

  package func delete(
    _ job: JobID, tenant: UUID?, at now: Timestamp
  ) -> Deletion {
    write { state in
      guard let entry = state.jobs[job], tenant == nil || tenant == entry.job.tenantID else {
        return .unknown
      }
      guard entry.job.status.isDeletable else { return .refused(entry.job) }
      state.tombstones[job] = now
      state.remove(entry, at: now)
      return .deleted(entry.job)
    }
  }

  // MARK: Dispatch

  package func promote(at now: Timestamp, limit: Int) -> Timestamp? {
    write { state in
      let ripe = state.later.filter { $0.job.scheduledAt <= now }.prefix(limit)
      for entry in ripe {
        state.jobs[entry.job.id]?.isDue = true
        state.noteDue(entry.job)
      }
      return state.later.first?.job.scheduledAt
    }
  }

  package func due() -> [DueJobs] {
    read { state in
      let due = state.jobs.values.filter(\.isDue).map(\.job)
      return Dictionary(grouping: due) { DueJobs(queue: $0.queue, type: $0.type, count: 0) }
        .map { DueJobs(queue: $0.key.queue, type: $0.key.type, count: $0.value.count) }
        .sorted { ($0.queue, $0.type) < ($1.queue, $1.type) }
    }
  }

  // MARK: Retention

  package func prune(
    _ policy: RetentionPolicy, at now: Timestamp, limit: Int
  ) -> Pruned {
    write { state in
      let due = state.due(policy, at: now)
      let jobs = due.jobs.prefix(limit)
      for entry in jobs { state.remove(entry, at: now) }
      let ids = due.tombstones.prefix(limit - jobs.count)
      for id in ids { state.tombstones[id] = nil }
      return Self.pruned(
        jobs, ids, hasMore: jobs.count + ids.count < due.jobs.count + due.tombstones.count)
    }
  }

  package func prunable(
    _ policy: RetentionPolicy, at now: Timestamp
  ) -> Pruned {
    read { state in
      let due = state.due(policy, at: now)
      return Self.pruned(due.jobs[...], due.tombstones[...], hasMore: false)
    }
  }

  private static func pruned(
    _ jobs: ArraySlice<Entry>, _ tombstones: ArraySlice<JobID>, hasMore: Bool
  ) -> Pruned {
    Pruned(
      jobs: jobs.map { PruneCount(type: $0.job.type, status: $0.job.status, count: 1) },
      tombstones: tombstones.count, hasMore: hasMore)
  }

  // MARK: Look-ups

  package func job(_ id: JobID, tenant: UUID?) -> Job? {
    read { state in
      let job = state.jobs[id]?.job
      return tenant == nil || tenant == job?.tenantID ? job : nil
    }
  }

  package func kind(of id: JobID, tenant: UUID) -> JobKind? {
    job(id, tenant: tenant).map { JobKind(type: $0.type, queue: $0.queue) }
  }

  package func job(idempotencyKey: UUID, tenant: UUID) -> Job? {
    read { $0.job(key: idempotencyKey, tenant: tenant)?.job }
  }

  package func log(
    of job: JobID, tenant: UUID?, after number: Int64
  ) -> JobLog? {
    read { state in
      guard let entry = state.jobs[job], tenant == nil || tenant == entry.job.tenantID else {
        return nil
      }
      return JobLog(of: entry.log, after: number)
    }
  }

  package func find(_ lookups: [JobLookup], bytes: Int) -> [JobFinding] {
    read { state in
      var room = bytes
      return lookups.map { lookup in
        guard room > 0 else { return .left }
        let found: Job? =
          switch lookup {
          case .id(let id, let tenant):
            state.jobs[id].flatMap { $0.job.tenantID == tenant ? $0.job : nil }
          case .key(let key, let tenant): state.job(key: key, tenant: tenant)?.job
          }
        room -= found.map { $0.params.sizeBound + ($0.result?.sizeBound ?? 0) } ?? 0
        return found.map { .found($0) } ?? .unknown
      }
    }
  }

  package func jobs(_ ids: [JobID]) -> [JobID: Job] {
    read { state in state.jobs.filter { ids.contains($0.key) }.mapValues(\.job) }
  }

  package func submitted(_ ids: [JobID], bytes: Int) -> [NewJob?] {
    read { state in
      var room = bytes
      var jobs: [NewJob?] = []
      for id in ids where room > 0 {
        let entry = state.jobs[id]
        jobs.append(entry.map { NewJob($0.job, submitted: $0.submitted) })
        room -= entry?.submitted.utf8.count ?? 0
      }
      return jobs
    }
  }

  package func list(_ query: JobQuery) throws(StoreError) -> JobPage {
    let found = read { state in
      state.ordered.filter { entry in
        let job = entry.job
        return (query.tenant == nil || query.tenant == job.tenantID)
          && (query.statuses.isEmpty || query.statuses.contains(job.status))
          && (query.type == nil || query.type == job.type)
          && (query.queue == nil || query.queue == job.queue)
          && query.scope.contains(job.type, in: job.queue)
      }
    }
    let isByCreation = query.order.field == .createdAt
    guard isByCreation || found.count <= JobQuery.mostToSort else {
      throw .unfit("too many to be ordered by \(query.order.field.rawValue)")
    }
    var sorted = found.sorted { Self.isBefore($0, $1, query.order.field) }
    if query.order.isDescending { sorted.reverse() }
    var rest = sorted[...]
    switch query.part {
    case .start: break
    case .page(let page):
      let (offset, overflow) = (page - 1).multipliedReportingOverflow(by: query.pageSize)
      rest = rest.dropFirst(overflow ? .max : offset)
    case .after(let cursor):
      guard isByCreation, let number = Int64(cursor.description), number > 0 else {
        throw .unfit("no place in this list")
      }
      rest = rest.filter { query.order.isDescending ? $0.number < number : $0.number > number }[...]
    }
    let page = rest.prefix(query.pageSize)
    let sizes = page.map {
      JSONPayload($0.job.params).bytes.count
        + ($0.job.result.map { JSONPayload($0).bytes.count } ?? 0)
    }
    let shown = page.prefix(try query.shown(of: sizes))
    let hasMore = isByCreation && rest.count > shown.count
    return JobPage(
      jobs: shown.map { entry in
        var job = entry.job
        // Nobody is shown it.
        job.snapshot = nil
        return job
      }, total: found.count,
      next: hasMore ? shown.last.flatMap { JobCursor(String($0.number)) } : nil)
  }

  private static func isBefore(_ left: Entry, _ right: Entry, _ field: JobOrder.Field) -> Bool {
    func key<Key: Comparable>(_ value: (Job) -> Key) -> Bool {
      (value(left.job), left.number) < (value(right.job), right.number)
    }
    return switch field {
    case .id: key(\.id)
    case .createdAt: left.number < right.number
    case .scheduledAt: key(\.scheduledAt)
    case .updatedAt: key(\.updatedAt)
    case .startedAt: key { $0.startedAt?.milliseconds ?? .min }
    case .status:
      (left.job.status.rawValue, left.job.scheduledAt, left.number)
        < (right.job.status.rawValue, right.job.scheduledAt, right.number)
    case .type: key(\.type.description)
    case .queue: key(\.queue)
    }
  }

  package func jobs(
    in statuses: Set<JobStatus>, after id: JobID?, limit: Int
  ) -> [Job] {
    byID(after: id, limit: limit) { statuses.contains($0.status) }
  }

  package func jobs(
    heldBy worker: WorkerID, after id: JobID?, limit: Int
  ) -> [Job] {
    byID(after: id, limit: limit) { $0.status.isHeld && $0.worker == worker }
  }

  package func heldSilently(
    since time: Timestamp, after id: JobID?, limit: Int
  ) -> [HeldAttempt] {
    byID(after: id, limit: limit) { $0.status.isHeld && $0.worker != nil && $0.updatedAt <= time }
      .compactMap { job in
        job.worker.map { worker in
          HeldAttempt(
            attempt: RunningAttempt(job: job.id, attempt: job.attempt), worker: worker,
            isEnding: job.status == .canceling || job.status == .suspending)
        }
      }
  }

  private func byID(after id: JobID?, limit: Int, _ isMeant: (Job) -> Bool) -> [Job] {
    read { state in
      Array(
        state.jobs.values.map(\.job).filter { job in
          isMeant(job) && (id.map { $0 < job.id } ?? true)
        }
        .sorted { $0.id < $1.id }.prefix(limit))
    }
  }

  package func counts(tenant: UUID?, scope: JobScope) -> [QueueCount] {
    read { state in
      let meant = state.jobs.values.filter { entry in
        (tenant == nil || tenant == entry.job.tenantID)
          && scope.contains(entry.job.type, in: entry.job.queue)
      }
      let kinds = Dictionary(grouping: meant) { entry in
        QueueCount(
          queue: entry.job.queue, status: entry.job.status,
          isLater: entry.job.status == .waiting && !entry.isDue && !entry.isHeldBack, count: 0)
      }
      return kinds.map {
        QueueCount(
          queue: $0.key.queue, status: $0.key.status, isLater: $0.key.isLater,
          count: $0.value.count)
      }.sorted {
        ($0.queue, $0.status.rawValue, $0.isLater ? 1 : 0)
          < ($1.queue, $1.status.rawValue, $1.isLater ? 1 : 0)
      }
    }
  }

  package func heldCounts() -> [WorkerID: Int] {
    read { state in
      let holders = state.jobs.values.map(\.job).filter(\.status.isHeld).compactMap(\.worker)
      return Dictionary(holders.map { ($0, 1) }, uniquingKeysWith: +)
    }
  }

  package func events(after sequence: Int64, limit: Int) -> [JobEvent] {
    read { state in Array(state.events.filter { $0.sequence > sequence }.prefix(limit)) }
  }

  package func events(
    after sequence: Int64, matching filter: EventFilter, limit: Int
  ) -> EventPage {
    read { state in
      let rest = state.events.filter { $0.sequence > sequence }
      var bytes = 0
      let looked = rest.prefix(max(0, limit)).compactMap { event in
        state.jobs[event.job].map { LoggedEvent(event, tenant: $0.job.tenantID) }
      }.prefix { logged in
        defer { bytes += logged.bytes }
        return bytes < EventPage.mostBytes
      }
      return EventPage(
        events: looked.filter(filter.matches),
        position: looked.last?.event.sequence ?? sequence, isEnd: looked.count == rest.count,
        removed: state.removedEvents.filter { tenant, last in
          last > sequence && (filter.tenant == nil || filter.tenant == tenant)
        })
    }
  }

  package func newestEvent() -> Int64 {
    read { $0.nextSequence - 1 }
  }

  package func events(
    of job: JobID, after sequence: Int64, limit: Int
  ) -> [JobEvent] {
    read { state in
      Array(state.events.filter { $0.job == job && $0.sequence > sequence }.prefix(limit))
    }
  }

  package func pendingReplies(
    after position: Int64, limit: Int
  ) -> [PendingReply] {
    read { state in
      Array(
        state.ordered.filter {
          $0.number > position && $0.job.status.isFinal && !$0.job.replies.isEmpty
        }.prefix(limit).map { PendingReply(position: $0.number, job: $0.job) })
    }
  }

  // MARK: Catalog and care

  package func save(
    groups: [JobGroup], types: [JobTypeDescription], queues: [JobQueue]
  ) {
    write { state in
      for group in groups { state.groups[group.name] = group }
      for type in types { state.types[type.id] = type }
      for queue in queues { state.queues[queue.name] = queue }
    }
  }

  package func catalog() -> StoredCatalog {
    read { state in
      StoredCatalog(
        groups: state.groups.values.sorted { $0.name < $1.name },
        types: state.types.values.sorted { $0.id.description < $1.id.description },
        queues: state.queues.values.sorted { $0.name < $1.name })
    }
  }

  package func checkHealth() {}
  package var damage: StoreDamage { StoreDamage() }
}

extension MemoryJobStore.State {
  fileprivate var later: [MemoryJobStore.Entry] {
    jobs.values.filter { $0.job.status == .waiting && !$0.isDue && !$0.isHeldBack }
      .sorted { ($0.job.scheduledAt, $0.number) < ($1.job.scheduledAt, $1.number) }
  }

  /// What is not kept any longer.
  fileprivate func due(
    _ policy: RetentionPolicy, at now: Timestamp
  ) -> (jobs: [MemoryJobStore.Entry], tombstones: [JobID]) {
    let jobs = ordered.filter { entry in
      let age = policy.age(of: entry.job.status, type: entry.job.type)
      return entry.job.replies.isEmpty && age.map { entry.job.updatedAt + $0 <= now } ?? false
    }
    let ids = tombstones.filter { tombstone in
      policy.tombstoneAge.map { tombstone.value + $0 <= now } ?? false
    }
    return (jobs, ids.keys.sorted())
  }

  fileprivate func job(key: UUID, tenant: UUID) -> MemoryJobStore.Entry? {
    jobs.values.first { $0.job.idempotencyKey == key && $0.job.tenantID == tenant }
  }

  mutating func insert(_ new: NewJob, at now: Timestamp) -> Insertion {
    let job = new.job
    if tombstones[job.id] != nil { return .deleted }
    if let known = jobs[job.id] {
      let isOwn =
        known.job.tenantID == job.tenantID && known.job.idempotencyKey == job.idempotencyKey
      return isOwn ? repetition(known, new, at: now) : .conflict(existing: known.job)
    }
    if let known = self.job(key: job.idempotencyKey, tenant: job.tenantID) {
      return repetition(known, new, at: now)
    }
    if let exceeded = new.exceeded ?? exceeded(by: job) { return .exceeded(exceeded) }
    let isRipe = job.status == .waiting && job.scheduledAt <= now
    let isDue = isRipe && mayRun(job)
    jobs[job.id] = MemoryJobStore.Entry(
      job: job, submitted: new.submitted, number: nextNumber, isDue: isDue,
      isHeldBack: isRipe && !isDue)
    nextNumber += 1
    log(job.creation, of: job)
    if isDue { noteDue(job) }
    if job.status == .waiting, !isRipe { noteLater(job) }
    if job.status.isFinal, !job.replies.isEmpty { commit.hasReplies = true }
    return .created(job)
  }

  private mutating func repetition(
    _ known: MemoryJobStore.Entry, _ new: NewJob, at now: Timestamp
  ) -> Insertion {
    guard known.job.type == new.job.type, known.submitted == new.submitted else {
      return .conflict(existing: known.job)
    }
    var again = known.job
    again.add(new.job.replies)
    if again.status == .initializing { again.isShared = true }
    guard again != known.job else { return .repeated(again) }
    change(known.job.id, at: now) { $0 = again }
    return .repeated(again)
  }

  @discardableResult
  mutating func change<Answer>(
    _ id: JobID, at now: Timestamp, _ body: (inout Job) -> Answer
  ) -> Answer? {
    guard var entry = jobs[id] else { return nil }
    let before = entry.job
    let answer = body(&entry.job)
    let changes = entry.job.takeChanges()
    let isWaiting = entry.job.status == .waiting
    let wasDue = entry.isDue
    let isRipe = isWaiting && entry.job.scheduledAt <= now
    entry.isHeldBack = entry.isHeldBack && isRipe && changes.isEmpty
    entry.isDue = isRipe && !entry.isHeldBack
    noteHeld(before, entry.job)
    jobs[id] = entry
    for change in changes { log(change, of: entry.job) }
    if isWaiting, !entry.isHeldBack, !changes.isEmpty || entry.isDue != wasDue {
      if entry.isDue { noteDue(entry.job) } else { noteLater(entry.job) }
    }
    if entry.job.status.isFinal {
      if !entry.job.replies.isEmpty, entry.job != before { commit.hasReplies = true }
      if !before.status.isFinal { release(lockedBy: id, at: now) }
    }
    return answer
  }

  fileprivate mutating func claim(
    _ request: ClaimRequest, bytes: Int, at now: Timestamp
  ) -> ClaimAnswer {
    guard epochs[request.worker] == request.epoch else {
      return ClaimAnswer(jobs: [], rest: .unregistered)
    }
    var granted: [JobAssignment] = []
    if request.isRepeated {
      granted = best(
        jobs.values.filter {
          $0.job.status == .running && $0.job.worker == request.worker
            && $0.job.claim == request.claim
        }
      ).map(\.job.assignment)
    }
    var room = bytes - granted.map(\.payloadSize).reduce(0, +)
    let due = best(
      jobs.values.filter {
        $0.isDue && $0.job.queue == request.queue && request.types.contains($0.job.type)
      })
    for entry in due where granted.count < request.count {
      guard mayRun(entry.job) else {
        jobs[entry.job.id]?.isDue = false
        jobs[entry.job.id]?.isHeldBack = true
        continue
      }
      let bytes = entry.job.assignment.payloadSize
      guard granted.isEmpty || bytes <= room else {
        return ClaimAnswer(jobs: granted, rest: .again)
      }
      room -= bytes
      let assignment = change(entry.job.id, at: now) {
        $0.start(by: request.worker, claim: request.claim, at: now)
      }
      if let assignment = assignment ?? nil { granted.append(assignment) }
    }
    let isMoreDue = jobs.values.contains { $0.isDue && $0.job.queue == request.queue }
    return ClaimAnswer(
      jobs: granted, rest: granted.count < request.count && isMoreDue ? .park : .void)
  }

  func best(_ entries: [MemoryJobStore.Entry]) -> [MemoryJobStore.Entry] {
    entries.sorted {
      (-$0.job.priority, $0.job.scheduledAt, $0.number)
        < (-$1.job.priority, $1.job.scheduledAt, $1.number)
    }
  }

  fileprivate mutating func lock(_ request: LockRequest, at now: Timestamp) -> LockAnswer {
    guard let job = jobs[request.job]?.job, job.status.isHeld, job.attempt == request.attempt,
      job.worker == request.worker
    else { return .refused(.fenced) }
    if let other = request.by, let refusal = refusal(of: job, by: other) {
      return .refused(refusal)
    }
    let refusal = change(request.job, at: now) { job in
      if let other = request.by { job.lock(by: other, at: now) } else { job.unlock(at: now) }
    }
    return (refusal ?? nil).map(LockAnswer.refused) ?? .done
  }

  private func refusal(of job: Job, by other: JobID) -> LockError? {
    var chain = [job.id, other]
    while let last = chain.last, last != job.id {
      guard let link = jobs[last]?.job, link.tenantID == job.tenantID else {
        return chain.count == 2 ? .unknown(other) : nil
      }
      if chain.count == 2, link.status.isFinal { return .ended(other, link.status) }
      guard let next = link.lockedBy, !chain.dropFirst().contains(next) else { return nil }
      chain.append(next)
    }
    return .cycle(chain)
  }

  private mutating func release(lockedBy holder: JobID, at now: Timestamp) {
    for entry in ordered where entry.job.lockedBy == holder {
      change(entry.job.id, at: now) { _ = $0.unlock(at: now) }
    }
  }

  mutating func remove(_ entry: MemoryJobStore.Entry, at now: Timestamp) {
    jobs[entry.job.id] = nil
    if let last = events.last(where: { $0.job == entry.job.id })?.sequence {
      removedEvents[entry.job.tenantID] = max(removedEvents[entry.job.tenantID] ?? 0, last)
    }
    events.removeAll { $0.job == entry.job.id }
    commit.deleted.append(entry.job.id)
    release(lockedBy: entry.job.id, at: now)
  }

  private mutating func log(_ change: StatusChange, of job: Job) {
    let event = JobEvent(
      sequence: nextSequence, job: job.id, type: job.type, queue: job.queue, from: change.from,
      to: change.to, at: job.updatedAt, attempt: change.attempt, worker: change.worker,
      reason: change.reason)
    nextSequence += 1
    events.append(event)
    commit.transitions.append(event)
  }

  mutating func noteDue(_ job: Job) {
    let known = commit.due.firstIndex { $0.queue == job.queue && $0.type == job.type }
    guard let known else {
      commit.due.append(DueJobs(queue: job.queue, type: job.type, count: 1))
      return
    }
    commit.due[known] = DueJobs(
      queue: job.queue, type: job.type, count: commit.due[known].count + 1)
  }

  private mutating func noteLater(_ job: Job) {
    commit.nextDue = min(commit.nextDue ?? job.scheduledAt, job.scheduledAt)
  }
}
