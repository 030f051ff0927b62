package import Foundation

/// Where jobs are kept: the truth of a job system.
///
/// What is decided is decided within the call, as one transaction, so that several servers may share a store. Calls take
/// and answer sets: one call is one transaction, however many items it has. One item that cannot be read or written is set aside
/// with an answer of its own, and holds up none of the others. Whoever made the store is told of each commit
/// (``StoreCommit``) before the calls that were part of it return.
///
/// A waiting job is *due* or *for later*: what is stored with a time that has come is due at once, the rest becomes due when
/// ``promote(at:limit:)`` finds that its time has come. Only what is due can be claimed.
package protocol JobStore: BulkStore, DeadLetterStore {
  // MARK: Intake

  /// Stores new jobs, each as it is, whatever its status; a repetition is told by tenant and idempotency key, or by the id.
  func insert(_ jobs: [NewJob], at now: Timestamp) async throws(StoreError) -> [Insertion]

  /// Takes a job back whose initialization has failed: it is as if it had never been, unless somebody else has asked for it
  /// meanwhile, or it is no longer being initialized.
  func withdraw(_ job: JobID, at now: Timestamp) async throws(StoreError) -> Deletion

  // MARK: Workers

  /// Makes a worker known, and looks at what it says that it runs: what was taken from it and is nobody's yet is its own again.
  ///
  /// - Returns: whose each of the attempts is, in their order. An epoch that is lower than the known one changes nothing.
  func register(
    _ registration: WorkerRegistration, at now: Timestamp
  ) async throws(StoreError) -> [Job.Attestation]

  /// All workers that are registered.
  func workers() async throws(StoreError) -> [WorkerID]

  /// Gives due jobs to workers: of their queue and types, the highest priority first, then the longest due.
  ///
  /// - Parameter bytes: about how much params and snapshots may take together in one answer; it has at least one job.
  /// - Returns: an answer to each request, in their order.
  func claim(
    _ requests: [ClaimRequest], bytes: Int, at now: Timestamp
  ) async throws(StoreError) -> [ClaimAnswer]

  /// Applies reports, in their order.
  ///
  /// - Parameter chances: for each report a number from 0 up to 1, at random, that places the delay of a retry.
  func report(
    _ reports: [JobReport], chances: [Double], at now: Timestamp
  ) async throws(StoreError) -> [Job.ReportDecision]

  /// Locks jobs by others, or unlocks them.
  func lock(
    _ requests: [LockRequest], at now: Timestamp
  ) async throws(StoreError) -> [LockAnswer]

  /// Takes all its jobs from a worker that is gone, and forgets the worker, in one transaction: a claim of its that is
  /// read later gets nothing.
  ///
  /// - Parameters:
  ///   - kept: attempts whose outcome is known to be there, and that are left as they are unless they are being canceled.
  ///   - poisonLimit: how many workers a job may cost before it fails.
  /// - Returns: the attempts that were lost.
  func lose(
    _ worker: WorkerID, except kept: Set<RunningAttempt>, poisonLimit: Int, at now: Timestamp
  ) async throws(StoreError) -> [RunningAttempt]

  // MARK: Commands

  /// Carries out commands, in their order.
  ///
  /// - Returns: `nil` for a job that is not there, is another tenant's, or cannot be changed.
  func apply(
    _ commands: [JobCommand], at now: Timestamp
  ) async throws(StoreError) -> [JobCommand.Result?]

  /// Deletes a job whose status allows that. Its id stays used for as long as ``RetentionPolicy/tombstoneAge`` says.
  func delete(
    _ job: JobID, tenant: UUID?, at now: Timestamp
  ) async throws(StoreError) -> Deletion

  // MARK: Dispatch

  /// Makes jobs due whose time has come, the earliest first; the commit says how many of which queue and type.
  ///
  /// - Returns: when the next one's time comes, in the past if there were more than `limit`; `nil` when none is for later.
  func promote(at now: Timestamp, limit: Int) async throws(StoreError) -> Timestamp?

  /// How many jobs are due, by queue and type; nothing where there are none.
  func due() async throws(StoreError) -> [DueJobs]

  // MARK: Retention

  /// Removes jobs that ended longer ago than they are kept, with all that is stored of them: their ids and keys may be used
  /// again. One of whose end somebody has to be told stays. Ids of deleted jobs are forgotten as well.
  ///
  /// - Parameter limit: the most jobs and ids of this call; it takes fewer where they are large, so as to hold up nobody else
  ///   for long. Whoever has more removed asks again, and leaves time in between.
  func prune(
    _ policy: RetentionPolicy, at now: Timestamp, limit: Int
  ) async throws(StoreError) -> Pruned

  /// All that ``prune(_:at:limit:)`` would remove.
  func prunable(
    _ policy: RetentionPolicy, at now: Timestamp
  ) async throws(StoreError) -> Pruned

  // MARK: Look-ups

  /// - Parameter tenant: `nil` for anyone's.
  func job(_ id: JobID, tenant: UUID?) async throws(StoreError) -> Job?

  /// What kind of job that is, which never changes; `nil` where it is not there, or another tenant's.
  func kind(of id: JobID, tenant: UUID) async throws(StoreError) -> JobKind?

  func job(idempotencyKey: UUID, tenant: UUID) async throws(StoreError) -> Job?

  /// Jobs with their params as they were submitted, in the order of the ids; `nil` where there is none, or it cannot be read.
  ///
  /// - Parameter bytes: about how much params they may have together; what follows is left out, the first is not.
  func submitted(_ ids: [JobID], bytes: Int) async throws(StoreError) -> [NewJob?]

  /// What is kept of what a job logged.
  ///
  /// - Parameters:
  ///   - tenant: `nil` for anyone's.
  ///   - number: only lines after it.
  /// - Returns: `nil` for a job that is not there, or another tenant's.
  func log(
    of job: JobID, tenant: UUID?, after number: Int64
  ) async throws(StoreError) -> JobLog?

  /// Looks for jobs.
  ///
  /// - Parameter bytes: about how much params and results of the found jobs may have together; at least one is found.
  /// - Returns: what became of each, in their order.
  func find(_ lookups: [JobLookup], bytes: Int) async throws(StoreError) -> [JobFinding]

  /// Those that are there.
  func jobs(_ ids: [JobID]) async throws(StoreError) -> [JobID: Job]

  /// - Throws: ``StoreError/unfit(_:)`` when more than ``JobQuery/mostToSort`` jobs would have to be sorted, or a cursor is
  ///   none of this list.
  func list(_ query: JobQuery) async throws(StoreError) -> JobPage

  /// Jobs in one of the statuses, by their id.
  ///
  /// - Parameter id: the last one of the batch before; `nil` for the first batch.
  func jobs(
    in statuses: Set<JobStatus>, after id: JobID?, limit: Int
  ) async throws(StoreError) -> [Job]

  /// What a worker holds, by id.
  func jobs(
    heldBy worker: WorkerID, after id: JobID?, limit: Int
  ) async throws(StoreError) -> [Job]

  /// Attempts of which nothing was heard since a time, by the id of the job.
  func heldSilently(
    since time: Timestamp, after id: JobID?, limit: Int
  ) async throws(StoreError) -> [HeldAttempt]

  /// How many jobs each queue has in each status; nothing where there are none.
  ///
  /// - Parameters:
  ///   - tenant: only this tenant's; `nil` for everyone's.
  ///   - scope: only jobs that somebody may see.
  func counts(tenant: UUID?, scope: JobScope) async throws(StoreError) -> [QueueCount]

  /// How many jobs each worker holds.
  func heldCounts() async throws(StoreError) -> [WorkerID: Int]

  /// The transition log after a number.
  func events(after sequence: Int64, limit: Int) async throws(StoreError) -> [JobEvent]

  /// What is looked for in the transition log after a number, and what of it is gone.
  ///
  /// - Parameter limit: how many transitions are looked at, whether they are found or not.
  func events(
    after sequence: Int64, matching filter: EventFilter, limit: Int
  ) async throws(StoreError) -> EventPage

  /// The highest number that a transition ever had; 0 where there was none.
  func newestEvent() async throws(StoreError) -> Int64

  /// The log of one job.
  func events(
    of job: JobID, after sequence: Int64, limit: Int
  ) async throws(StoreError) -> [JobEvent]

  /// How far somebody has come who reads the transition log for the server itself; `nil` who has not begun.
  func place(ofReader name: String) async throws(StoreError) -> Int64?

  /// Notes how far a reader has come, and stores the jobs that it has made of what it read: in one transaction, so that none is
  /// made twice or forgotten.
  ///
  /// - Parameter place: the number of the last transition that was read; `nil` forgets the reader.
  func moveReader(
    _ name: String, to place: Int64?, inserting jobs: [NewJob], at now: Timestamp
  ) async throws(StoreError) -> [Insertion]

  /// Final jobs of whose end somebody has not been told, in the order in which they came into the store.
  ///
  /// - Parameter position: that of the last one of the batch before; 0 for the first batch.
  func pendingReplies(
    after position: Int64, limit: Int
  ) async throws(StoreError) -> [PendingReply]

  // MARK: Catalog and care

  /// Stores new and changed groups, types and queues.
  func save(
    groups: [JobGroup], types: [JobTypeDescription], queues: [JobQueue]
  ) async throws(StoreError)

  func catalog() async throws(StoreError) -> StoredCatalog

  /// Writes and reads something.
  ///
  /// - Throws: why the store cannot be used.
  func checkHealth() async throws(StoreError)

  /// How many rows could not be read, since the store was opened.
  var damage: StoreDamage { get }
}

/// Rows that could not be read.
package struct StoreDamage: Sendable, Hashable {
  /// Rows whose jobs have failed with that.
  package var setAside = 0
  /// Times that a row was left out.
  package var skipped = 0

  package init() {}
}

extension JobStore {
  package func insert(_ job: NewJob, at now: Timestamp) async throws(StoreError) -> Insertion {
    guard let insertion = try await insert([job], at: now).first else {
      throw .failed("the store did not answer")
    }
    return insertion
  }

  package func apply(
    _ command: JobCommand, at now: Timestamp
  ) async throws(StoreError) -> JobCommand.Result? {
    try await apply([command], at: now).first ?? nil
  }

  package func counts() async throws(StoreError) -> [QueueCount] {
    try await counts(tenant: nil, scope: .all)
  }

  package func job(_ id: JobID) async throws(StoreError) -> Job? {
    try await job(id, tenant: nil)
  }
}

/// Type and queue of a job; `nil` where they cannot be read.
package struct JobKind: Sendable, Hashable {
  package let type: JobTypeID?
  package let queue: JobQueueName?

  package init(type: JobTypeID?, queue: JobQueueName?) {
    self.type = type
    self.queue = queue
  }

  package func isVisible(in scope: JobScope) -> Bool {
    guard scope != .all else { return true }
    guard let type, let queue else { return false }
    return scope.contains(type, in: queue)
  }
}

/// A worker, as the store has to know it before it may claim jobs.
package struct WorkerRegistration: Sendable, Hashable {
  package let worker: WorkerID
  /// Chosen by the worker, and raised by it when it learns that it was taken for lost: claims of an earlier one are refused.
  package let epoch: Int64
  /// What it says that it runs.
  package let running: [RunningAttempt]

  package init(worker: WorkerID, epoch: Int64, running: [RunningAttempt] = []) {
    self.worker = worker
    self.epoch = epoch
    self.running = running
  }
}

/// An attempt of which nothing has been heard for a while.
package struct HeldAttempt: Sendable, Hashable {
  package let attempt: RunningAttempt
  package let worker: WorkerID
  /// Whether the worker was told to end it.
  package let isEnding: Bool

  package init(attempt: RunningAttempt, worker: WorkerID, isEnding: Bool) {
    self.attempt = attempt
    self.worker = worker
    self.isEnding = isEnding
  }
}

/// A final job of whose end somebody has not been told yet.
package struct PendingReply: Sendable, Hashable {
  /// Where to go on looking.
  package let position: Int64
  package let job: Job

  package init(position: Int64, job: Job) {
    self.position = position
    self.job = job
  }
}

/// Why the store of jobs could not do what was asked. Nothing of the failed call has been written.
package enum StoreError: Error, Hashable, Sendable {
  /// What is stored is damaged.
  case corrupt(String)
  /// The store cannot be written.
  case readOnly(String)
  /// There is no space left.
  case diskFull
  /// Another program keeps the store locked for too long.
  case busy(String)
  /// A value is none that the store takes: one out of range, or too large. Trying again is of no use.
  case unfit(String)
  /// Too much waits to be written already. Trying again in a moment is of use.
  case overloaded
  /// The store has been closed.
  case closed
  /// Anything else, in the store's own words.
  case failed(String)
}

extension StoreError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .corrupt(let what):
      "the status store is damaged (\(what)); restore it from a backup"
    case .readOnly(let what):
      "the status store cannot be written (\(what)); its file and folder must be writable"
    case .diskFull:
      "there is no space left for the status store"
    case .busy(let what):
      "the status store is kept locked by another program (\(what))"
    case .unfit(let what):
      "the status store does not take a value (\(what))"
    case .overloaded:
      "too much waits to be written into the status store; try again in a moment"
    case .closed:
      "the status store is closed"
    case .failed(let what):
      "the status store failed: \(what)"
    }
  }
}
