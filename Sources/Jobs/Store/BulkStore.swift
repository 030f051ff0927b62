package import Foundation

/// Where operations on many jobs are kept, beside the jobs: what an operation does to a few jobs, and that it has done so, is one
/// transaction. So whoever goes on after a crash goes on exactly there.
package protocol BulkStore: Sendable {
  /// How many jobs of a tenant are meant, and which number the newest job has.
  func survey(_ request: BulkRequest, tenant: UUID) async throws(StoreError) -> BulkSurvey

  /// Stores a new operation; a repetition is told by tenant and key.
  ///
  /// - Parameter mostRunning: how many of its tenant may run.
  func begin(
    _ operation: BulkOperation, mostRunning: Int
  ) async throws(StoreError) -> BulkInsertion

  func operation(_ id: UUID, tenant: UUID) async throws(StoreError) -> BulkOperation?

  /// Operations of a tenant, the newest first, and how many there are in all.
  ///
  /// - Parameter status: only those; `nil` for any.
  func operations(
    of tenant: UUID, status: BulkOperation.Status?, offset: Int, limit: Int
  ) async throws(StoreError) -> (operations: [BulkOperation], total: Int)

  /// Whatever runs, of all tenants, the oldest first.
  func runningOperations() async throws(StoreError) -> [BulkOperation]

  /// The next jobs of an operation, as they are now, in the order in which they came into the store.
  ///
  /// - Parameter limit: how many at most; it may be fewer, or none, though more follow.
  func candidates(
    of operation: BulkOperation, limit: Int
  ) async throws(StoreError) -> BulkPage

  /// Does something to some jobs, and notes that it is done: all of it or nothing.
  ///
  /// - Returns: `nil` when the operation does not run any more, or is not where the step begins; nothing is done then.
  func advance(_ step: BulkStep, at now: Timestamp) async throws(StoreError) -> BulkProgress?

  /// Stops an operation; one that has ended is returned as it is.
  func cancelOperation(
    _ id: UUID, tenant: UUID, at now: Timestamp
  ) async throws(StoreError) -> BulkOperation?

  /// Forgets operations that ended by then, at most so many.
  func pruneOperations(endedBy time: Timestamp, limit: Int) async throws(StoreError)
}

/// What a selection has, at one moment.
package struct BulkSurvey: Sendable, Hashable {
  package let matching: Int
  /// The number of the newest job of all.
  package let last: Int64

  package init(matching: Int, last: Int64) {
    self.matching = matching
    self.last = last
  }
}

/// What became of an operation that was to be stored.
package enum BulkInsertion: Sendable, Hashable {
  case created(BulkOperation)
  /// The same was asked for before.
  case repeated(BulkOperation)
  /// The key belongs to an operation that does something else.
  case conflict(BulkOperation)
  /// Too many of the tenant run already.
  case tooMany
}

/// The next jobs of an operation.
package struct BulkPage: Sendable, Hashable {
  package struct Candidate: Sendable, Hashable {
    package let number: Int64
    package let job: JobID
    /// `nil` where it cannot be read.
    package let type: JobTypeID?

    package init(number: Int64, job: JobID, type: JobTypeID?) {
      self.number = number
      self.job = job
      self.type = type
    }
  }

  package var candidates: [Candidate]
  /// Up to which number all jobs have been looked at.
  package var next: Int64
  /// Whether there are no others.
  package var isLast: Bool

  package init(candidates: [Candidate], next: Int64, isLast: Bool) {
    self.candidates = candidates
    self.next = next
    self.isLast = isLast
  }

  /// The part of it that has so many candidates.
  package func prefix(_ count: Int) -> BulkPage {
    guard count < candidates.count, count > 0 else { return self }
    return BulkPage(
      candidates: Array(candidates.prefix(count)), next: candidates[count - 1].number,
      isLast: false)
  }
}

/// What an operation does next.
package struct BulkStep: Sendable, Hashable {
  package enum Work: Sendable, Hashable {
    case command(JobCommand.Action)
    case delete
    /// Another job is made of it.
    case insert(NewJob)
    /// Something has become of it already.
    case settled(BulkOutcome)
  }

  package struct Item: Sendable, Hashable {
    package let job: JobID
    package let work: Work

    package init(_ work: Work, of job: JobID) {
      self.job = job
      self.work = work
    }
  }

  package let operation: UUID
  /// Where the operation has to stand.
  package let from: Int64
  /// Where it stands then.
  package let to: Int64
  package let items: [Item]
  package let isLast: Bool

  package init(
    of operation: BulkOperation, to next: Int64, items: [Item], isLast: Bool
  ) {
    self.operation = operation.id
    from = operation.position
    to = next
    self.items = items
    self.isLast = isLast
  }
}

/// What a step has come to.
package struct BulkProgress: Sendable, Hashable {
  package let operation: BulkOperation
  /// The jobs whose workers have to be told.
  package let told: [JobCommand.Result]

  package init(operation: BulkOperation, told: [JobCommand.Result]) {
    self.operation = operation
    self.told = told
  }
}

extension JobCommand.Decision {
  /// What it means for one job of many.
  package var outcome: BulkOutcome {
    switch self {
    case .done, .tell: .done
    case .pointless, .rejected: .skipped
    }
  }
}

extension Insertion {
  /// What it means for the job that was to be made anew.
  package func outcome(of job: JobID) -> BulkOutcome {
    switch self {
    case .created: .done
    case .repeated: .skipped
    case .conflict(let existing):
      .failed(job, "the key of its retry belongs to job \(existing.id)")
    case .deleted: .failed(job, "the id of its retry is that of a job that was deleted")
    case .unreadable: .failed(job, "what is stored of its retry cannot be read")
    case .exceeded(let quota): .failed(job, quota.description)
    case .unfit(let why): .failed(job, "the store does not take the job: \(why)")
    }
  }
}
