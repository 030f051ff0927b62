import Foundation
import GRDB
import Jobs

/// A kind of jobs that is counted.
struct CountKey: Hashable, Sendable {
  let tenant: Int64
  let queue: Int64
  let type: Int64
  let code: Int

  func with(code: Int) -> CountKey {
    CountKey(tenant: tenant, queue: queue, type: type, code: code)
  }
}

/// Of which queue and type jobs are due.
struct DueKey: Hashable, Sendable {
  let queue: Int64
  let type: Int64
}

/// What the writer knows without asking the file: it is the only one who writes.
struct WriterState: Sendable {
  var names = Names()
  /// How many jobs are due.
  var due: [DueKey: Int] = [:]
  var nextJob: Int64
  var nextEvent: Int64
  let quotas: TenantQuotas
  /// Whether any tenant has a quota of such jobs: without, nothing is looked up.
  let limitsWaiting: Bool
  let limitsRunning: Bool

  init(_ db: Database, quotas: TenantQuotas) throws {
    self.quotas = quotas
    limitsWaiting = quotas.has(\.waiting)
    limitsRunning = quotas.has(\.running)
    for row in try Row.fetchAll(
      db, sql: "SELECT queue, type, sum(jobs) FROM job_count WHERE status = 1 GROUP BY queue, type")
    {
      due[DueKey(queue: try row.decode(atIndex: 0), type: try row.decode(atIndex: 1))] =
        try row.decode(Int.self, atIndex: 2)
    }
    func next(_ sql: String, _ kind: Int) throws -> Int64 {
      let used = try Int64.fetchOne(db, sql: sql) ?? 0
      let high = try Int64.fetchOne(
        db, sql: "SELECT number FROM high_water WHERE kind = ?", arguments: [kind])
      return max(used, high ?? 0) + 1
    }
    nextJob = try next("SELECT max(number) FROM job", HighWater.job)
    nextEvent = try next("SELECT max(sequence) FROM event", HighWater.event)
  }

  /// Names that were added in a transaction that is not there are not there either.
  func afterRollback() -> WriterState {
    var state = self
    state.names = Names()
    return state
  }
}

enum HighWater {
  static let job = 1
  static let event = 2
}

/// What one transaction works with: the connection, the prepared statements, and what it has changed so far.
///
/// Used by the writer alone, for the length of one transaction.
final class Transaction {
  /// What is written at the end, and what others are told after the commit.
  struct Effects {
    var commit = StoreCommit()
    var events: [EventRow] = []
    var counts: [CountKey: Int] = [:]
    var due: [DueKey: Int] = [:]
    /// The rows that could not be read and are out of the way now.
    var setAside: [UnreadableRow] = []
    /// Why rows were left out that cannot even be written.
    var leftOut: [String] = []
    /// Jobs of which nothing is logged any more, and their tenants.
    var deletedNumbers: [Int64: Int64] = [:]
    /// By tenant, the highest number of a transition that is gone.
    var removedEvents: [Int64: Int64] = [:]
    /// Kinds of which jobs are gone, whatever their code: perhaps the last.
    var emptied: Set<CountKey> = []
    /// What those tenants use that have been asked about.
    var usage: [Int64: QuotaUsage] = [:]

    fileprivate var lengths: [Int] {
      [
        commit.transitions.count, commit.deleted.count, events.count, setAside.count, leftOut.count,
      ]
    }

    fileprivate mutating func cut(to lengths: [Int]) {
      commit.transitions.removeSubrange(lengths[0]...)
      commit.deleted.removeSubrange(lengths[1]...)
      events.removeSubrange(lengths[2]...)
      setAside.removeSubrange(lengths[3]...)
      leftOut.removeSubrange(lengths[4]...)
    }
  }

  /// Where a part of the transaction has begun, to go back to.
  ///
  /// The lists only grow, so that their lengths are enough.
  struct Mark {
    fileprivate let lengths: [Int]
    fileprivate let due: [DueJobs]
    fileprivate let nextDue: Timestamp?
    fileprivate let hasReplies: Bool
    fileprivate let counts: [CountKey: Int]
    fileprivate let dueChanges: [DueKey: Int]
    fileprivate let deletedNumbers: [Int64: Int64]
    fileprivate let removedEvents: [Int64: Int64]
    fileprivate let emptied: Set<CountKey>
    fileprivate let usage: [Int64: QuotaUsage]
    fileprivate let names: Names
  }

  let db: Database
  /// Whether the database is expected to take everything: what it refuses ends the transaction, which is done again with
  /// care. Being able to go back costs three statements for each part.
  private let isHopeful: Bool
  /// Why a part failed that could not be taken back by itself: whoever has dealt with that, nothing may be committed.
  private(set) var spoiledBy: (any Error)?
  private var state: WriterState
  private(set) var effects = Effects()
  /// Of those tenants that have been asked about.
  private var knownQuotas: [Int64: Quota] = [:]

  init(_ db: Database, _ state: WriterState, hopeful: Bool) {
    self.db = db
    self.state = state
    isHopeful = hopeful
  }

  func beginPart() -> Mark {
    Mark(
      lengths: effects.lengths, due: effects.commit.due, nextDue: effects.commit.nextDue,
      hasReplies: effects.commit.hasReplies, counts: effects.counts, dueChanges: effects.due,
      deletedNumbers: effects.deletedNumbers, removedEvents: effects.removedEvents,
      emptied: effects.emptied, usage: effects.usage, names: state.names)
  }

  func undo(to mark: Mark) {
    effects.cut(to: mark.lengths)
    effects.commit.due = mark.due
    effects.commit.nextDue = mark.nextDue
    effects.commit.hasReplies = mark.hasReplies
    effects.counts = mark.counts
    effects.due = mark.dueChanges
    effects.deletedNumbers = mark.deletedNumbers
    effects.removedEvents = mark.removedEvents
    effects.emptied = mark.emptied
    effects.usage = mark.usage
    state.names = mark.names
  }

  /// The state after the commit.
  func committed() -> WriterState {
    var state = state
    for (key, change) in effects.due {
      let count = (state.due[key] ?? 0) + change
      state.due[key] = count > 0 ? count : nil
    }
    return state
  }

  // MARK: Statements

  func statement(_ sql: String) throws -> Statement {
    try db.cachedStatement(sql: sql)
  }

  func execute(_ sql: String, _ values: [DatabaseValue]) throws {
    let statement = try db.cachedStatement(sql: sql)
    // Checking them costs as much as writing the row.
    statement.setUncheckedArguments(StatementArguments(values))
    try statement.execute()
  }

  /// Does a part by itself: what the database does not take is left out and counted, and nothing of it is done.
  ///
  /// - Returns: `nil` when it was left out.
  func unlessRefused<Answer>(_ what: String, _ work: () throws -> Answer) throws -> Answer? {
    switch try attempt(work) {
    case .success(let answer): return answer
    case .failure(let reason):
      effects.leftOut.append("\(what); \(reason)")
      return nil
    }
  }

  /// - Returns: why the database does not take it, if it is for what is written; nothing of it is done then.
  func attempt<Answer>(_ work: () throws -> Answer) throws -> Result<Answer, StoreError> {
    if isHopeful {
      do {
        return .success(try work())
      } catch {
        spoiledBy = error
        throw error
      }
    }
    let before = beginPart()
    do {
      var answer: Result<Answer, StoreError> = .failure(.failed("nothing was done"))
      try db.inSavepoint {
        answer = .success(try work())
        return .commit
      }
      return answer
    } catch let error as DatabaseError {
      let reason = StoreError(error)
      guard case .unfit = reason else { throw error }
      undo(to: before)
      return .failure(reason)
    }
  }

  // MARK: Names

  func tenant(_ id: UUID) throws -> Int64 { try state.names.tenant(id, db) }
  func type(_ id: JobTypeID) throws -> Int64 { try state.names.type(id, db) }
  func queue(_ name: JobQueueName) throws -> Int64 { try state.names.queue(name, db) }
  func worker(_ id: WorkerID) throws -> Int64 { try state.names.worker(id, db) }
  func knownType(_ id: JobTypeID) throws -> Int64? { try state.names.knownType(id, db) }
  func knownQueue(_ name: JobQueueName) throws -> Int64? { try state.names.knownQueue(name, db) }
  func knownWorker(_ id: WorkerID) throws -> Int64? { try state.names.knownWorker(id, db) }
  func typeName(_ number: Int64) throws -> JobTypeID { try state.names.typeName(number, db) }
  func queueName(_ number: Int64) throws -> JobQueueName {
    try state.names.queueName(number, db)
  }

  // MARK: Numbers

  /// The number of the next job; ``useJobNumber()`` when it has it.
  var nextJobNumber: Int64 { state.nextJob }

  func useJobNumber() {
    state.nextJob += 1
  }

  // MARK: What has changed

  /// How many jobs of a queue and type are due, as this transaction leaves them.
  func due(_ key: DueKey) -> Int { (state.due[key] ?? 0) + (effects.due[key] ?? 0) }

  /// The types of a queue of which jobs are due.
  func dueTypes(_ queue: Int64) -> Set<Int64> {
    let keys = Set(state.due.keys).union(effects.due.keys)
    return Set(keys.filter { $0.queue == queue && due($0) > 0 }.map(\.type))
  }

  /// Jobs of a kind came, or went.
  func count(_ key: CountKey, _ change: Int) {
    effects.counts[key, default: 0] += change
    if key.code == StatusCode.due {
      effects.due[DueKey(queue: key.queue, type: key.type), default: 0] += change
    }
    if effects.usage[key.tenant] != nil, !isOwn(key.type) {
      effects.usage[key.tenant]?.count(key, change)
    }
  }

  // MARK: Quotas

  var quotas: TenantQuotas { state.quotas }
  var limitsWaiting: Bool { state.limitsWaiting }
  var limitsRunning: Bool { state.limitsRunning }

  func quota(of tenant: Int64) throws -> Quota {
    if let known = knownQuotas[tenant] { return known }
    let id = try UUID.fetchOne(statement(QuotaUsage.tenant), arguments: [tenant])
    let quota = id.map { quotas[$0] } ?? quotas.standard
    knownQuotas[tenant] = quota
    return quota
  }

  /// Whether a type is one of the server's own: its jobs are made for tenants, not by them, and count for nothing in their quotas.
  func isOwn(_ type: Int64) -> Bool { (try? typeName(type))?.isReserved == true }

  /// What a tenant uses, as this transaction leaves it.
  func usage(of tenant: Int64) throws -> QuotaUsage {
    if let known = effects.usage[tenant] { return known }
    var usage = try QuotaUsage(of: tenant, statement(QuotaUsage.counts)) { !isOwn($0) }
    for (key, change) in effects.counts where key.tenant == tenant && !isOwn(key.type) {
      usage.count(key, change)
    }
    effects.usage[tenant] = usage
    return usage
  }

  func noteDue(_ key: DueKey, _ count: Int = 1) throws {
    let (queue, type) = (try queueName(key.queue), try typeName(key.type))
    if let index = effects.commit.due.firstIndex(where: { $0.queue == queue && $0.type == type }) {
      let sum = effects.commit.due[index].count + count
      effects.commit.due[index] = DueJobs(queue: queue, type: type, count: sum)
    } else {
      effects.commit.due.append(DueJobs(queue: queue, type: type, count: count))
    }
  }

  func noteLater(_ time: Timestamp) {
    effects.commit.nextDue = min(effects.commit.nextDue ?? time, time)
  }

  func noteReplies() {
    effects.commit.hasReplies = true
  }

  func noteSetAside(_ row: UnreadableRow) {
    effects.setAside.append(row)
  }

  /// Runs a part whose left-out rows have been counted by whoever read them.
  func uncounted<Answer>(_ work: () throws -> Answer) rethrows -> Answer {
    let counted = effects.leftOut
    defer { effects.leftOut = counted }
    return try work()
  }

  /// - Parameter id: `nil` where it cannot be read.
  func noteRemoved(_ key: CountKey, number: Int64, id: JobID?) {
    count(key, -1)
    if let id { effects.commit.deleted.append(id) }
    effects.deletedNumbers[number] = key.tenant
    effects.emptied.insert(CountKey(tenant: key.tenant, queue: key.queue, type: key.type, code: 0))
  }

  /// Transitions of a tenant's job are gone.
  ///
  /// - Parameter last: the highest number of them; `nil` where there were none.
  func noteRemovedEvents(of tenant: Int64, upTo last: Int64?) {
    guard let last else { return }
    effects.removedEvents[tenant] = max(effects.removedEvents[tenant] ?? 0, last)
  }

  /// Adds a change to the transition log.
  func log(
    _ change: StatusChange, of number: Int64, id: JobID, type: JobTypeID, queue: JobQueueName,
    at time: Timestamp, worker: Int64?
  ) {
    let sequence = state.nextEvent
    state.nextEvent += 1
    effects.events.append(
      EventRow(
        sequence: sequence, job: number, from: change.from, to: change.to, at: time,
        attempt: change.attempt, worker: worker, reason: change.reason))
    effects.commit.transitions.append(
      JobEvent(
        sequence: sequence, job: id, type: type, queue: queue, from: change.from, to: change.to,
        at: time, attempt: change.attempt, worker: change.worker, reason: change.reason))
  }

  /// Writes what is written once for all.
  func flush() throws {
    if limitsRunning { try releaseHeldBack() }
    let deleted = effects.deletedNumbers
    if !deleted.isEmpty {
      for row in effects.events {
        if let tenant = deleted[row.job] { noteRemovedEvents(of: tenant, upTo: row.sequence) }
      }
    }
    try EventRow.insert(
      deleted.isEmpty ? effects.events : effects.events.filter { deleted[$0.job] == nil }, self)
    for (tenant, last) in effects.removedEvents {
      try execute(Events.noteRemoved, [tenant.databaseValue, last.databaseValue])
    }
    for (key, change) in effects.counts where change != 0 {
      try execute(
        Counts.change,
        [
          key.tenant.databaseValue, key.queue.databaseValue, key.type.databaseValue,
          key.code.databaseValue, change.databaseValue,
        ])
    }
    guard !deleted.isEmpty else { return }
    for key in effects.emptied {
      try execute(
        Counts.removeEmpty,
        [key.tenant.databaseValue, key.queue.databaseValue, key.type.databaseValue])
    }
    for (kind, next) in [(HighWater.job, state.nextJob), (HighWater.event, state.nextEvent)] {
      try execute(
        "INSERT INTO high_water VALUES (?, ?) ON CONFLICT DO UPDATE SET number = excluded.number",
        [kind.databaseValue, (next - 1).databaseValue])
    }
  }
}

/// The numbers of names, as the writer has met them.
struct Names: Sendable {
  private var tenants: [UUID: Int64] = [:]
  private var types: [JobTypeID: Int64] = [:]
  private var queues: [JobQueueName: Int64] = [:]
  private var workers: [WorkerID: Int64] = [:]
  private var typeNames: [Int64: JobTypeID] = [:]
  private var queueNames: [Int64: JobQueueName] = [:]
  /// Producers and workers choose them: they are forgotten together when there are many.
  private static let limit = 10_000

  mutating func tenant(_ id: UUID, _ db: Database) throws -> Int64 {
    if let number = tenants[id] { return number }
    let number = try Self.number(in: "tenant", "id", id.databaseValue, db)
    if tenants.count >= Self.limit { tenants = [:] }
    tenants[id] = number
    return number
  }

  mutating func type(_ id: JobTypeID, _ db: Database) throws -> Int64 {
    if let number = types[id] { return number }
    let number = try Self.number(in: "type", "name", id.description.databaseValue, db)
    note(id, number)
    return number
  }

  mutating func queue(_ name: JobQueueName, _ db: Database) throws -> Int64 {
    if let number = queues[name] { return number }
    let number = try Self.number(in: "queue", "name", name.rawValue.databaseValue, db)
    note(name, number)
    return number
  }

  mutating func worker(_ id: WorkerID, _ db: Database) throws -> Int64 {
    if let number = workers[id] { return number }
    let name = storable(id.rawValue)
    let number = try Self.number(in: "worker", "name", name.databaseValue, db)
    note(id, number)
    return number
  }

  mutating func knownType(_ id: JobTypeID, _ db: Database) throws -> Int64? {
    if let number = types[id] { return number }
    let number = try Self.known(in: "type", "name", id.description.databaseValue, db)
    if let number { note(id, number) }
    return number
  }

  mutating func knownQueue(_ name: JobQueueName, _ db: Database) throws -> Int64? {
    if let number = queues[name] { return number }
    let number = try Self.known(in: "queue", "name", name.rawValue.databaseValue, db)
    if let number { note(name, number) }
    return number
  }

  mutating func knownWorker(_ id: WorkerID, _ db: Database) throws -> Int64? {
    if let number = workers[id] { return number }
    let number = try Self.known(
      in: "worker", "name", storable(id.rawValue).databaseValue, db)
    if let number { note(id, number) }
    return number
  }

  mutating func typeName(_ number: Int64, _ db: Database) throws -> JobTypeID {
    if let id = typeNames[number] { return id }
    let text = try Self.name(number, in: "type", db)
    do {
      let id = try JobTypeID(text)
      note(id, number)
      return id
    } catch {
      throw StoreError.corrupt("type \(number): \(error)")
    }
  }

  mutating func queueName(_ number: Int64, _ db: Database) throws -> JobQueueName {
    if let name = queueNames[number] { return name }
    let text = try Self.name(number, in: "queue", db)
    do {
      let name = try JobQueueName(text)
      note(name, number)
      return name
    } catch {
      throw StoreError.corrupt("queue \(number): \(error)")
    }
  }

  private mutating func note(_ id: JobTypeID, _ number: Int64) {
    if types.count >= Self.limit { (types, typeNames) = ([:], [:]) }
    types[id] = number
    typeNames[number] = id
  }

  private mutating func note(_ name: JobQueueName, _ number: Int64) {
    if queues.count >= Self.limit { (queues, queueNames) = ([:], [:]) }
    queues[name] = number
    queueNames[number] = name
  }

  private mutating func note(_ id: WorkerID, _ number: Int64) {
    if workers.count >= Self.limit { workers = [:] }
    workers[id] = number
  }

  private static func number(
    in table: String, _ column: String, _ value: DatabaseValue, _ db: Database
  ) throws -> Int64 {
    if let number = try known(in: table, column, value, db) { return number }
    try db.cachedStatement(sql: "INSERT INTO \(table) (\(column)) VALUES (?)")
      .execute(arguments: [value])
    return db.lastInsertedRowID
  }

  private static func known(
    in table: String, _ column: String, _ value: DatabaseValue, _ db: Database
  ) throws -> Int64? {
    try Int64.fetchOne(
      db.cachedStatement(sql: "SELECT number FROM \(table) WHERE \(column) = ?"),
      arguments: [value])
  }

  private static func name(_ number: Int64, in table: String, _ db: Database) throws -> String {
    guard
      let name = try String.fetchOne(
        db.cachedStatement(sql: "SELECT name FROM \(table) WHERE number = ?"),
        arguments: [number])
    else { throw StoreError.corrupt("\(table) \(number) has no name") }
    return name
  }
}

/// What SQLite keeps as it is: its text functions end at a NUL.
func storable(_ text: String) -> String {
  text.utf8.contains(0) ? text.replacing("\0", with: "\u{FFFD}") : text
}

extension [Int64] {
  /// As the one argument of a statement that takes any number of them: `IN (SELECT value FROM json_each(?))`.
  var json: DatabaseValue {
    ("[" + map(String.init).joined(separator: ",") + "]").databaseValue
  }
}
