import Foundation
import JobStore
import Jobs

/// Where HTTP, AMQP and in-process submissions meet: each is checked, deduplicated and stored.
struct Intake: Sendable {
  let catalog: Catalog
  let store: StatusStore

  /// Accepts or refuses each submission by itself; all that are good are stored in one transaction.
  func schedule(_ submissions: [JobSubmission]) async -> [Result<ScheduledJob, ScheduleError>] {
    let now = Timestamp.now
    let checked = submissions.map { check($0, at: now) }
    let jobs = checked.compactMap { try? $0.get() }
    var insertions: IndexingIterator<[Insertion]>
    do {
      insertions = try await store.insert(jobs).makeIterator()
    } catch {
      return checked.map { $0.flatMap { _ in .failure(.store(error)) } }
    }
    return checked.map { check in
      check.flatMap { job in
        guard let insertion = insertions.next() else {
          return .failure(.store(.failed("the store did not answer for every job")))
        }
        return Self.outcome(of: insertion, for: job)
      }
    }
  }

  private func check(_ submission: JobSubmission, at now: Timestamp) -> Result<Job, ScheduleError> {
    guard let type = catalog.type(submission.type) else {
      return .failure(.unknownType(submission.type, known: catalog.types.map(\.id)))
    }
    do {
      return .success(try submission.job(of: type.description, queue: type.queue, at: now))
    } catch {
      return .failure(.invalidParams(submission.type, error))
    }
  }

  private static func outcome(
    of insertion: Insertion, for job: Job
  ) -> Result<ScheduledJob, ScheduleError> {
    switch insertion {
    case .created(let stored): .success(ScheduledJob(job: stored, isNew: true))
    case .repeated(let stored): .success(ScheduledJob(job: stored, isNew: false))
    case .conflict(let existing):
      .failure(
        .conflict(existing: existing, key: existing.idempotencyKey == job.idempotencyKey))
    case .deleted: .failure(.deleted(job.id))
    }
  }
}
