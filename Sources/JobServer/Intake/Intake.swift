import Foundation
import JobTransport
public import Jobs

/// A job that was accepted, now or before under the same idempotency key.
public struct ScheduledJob: Sendable, Hashable {
  public let job: Job
  /// Whether it was accepted now.
  public let isNew: Bool
}

/// Where HTTP, AMQP and in-process submissions meet: each is checked, deduplicated and stored.
struct Intake: Sendable {
  let catalog: Catalog
  let store: any JobStore
  /// Where nobody's answers may go.
  let names: TransportNames
  let clock: any ServerClock

  /// Accepts or refuses each submission by itself; all that are good are stored in one transaction.
  func schedule(_ submissions: [JobSubmission]) async -> [Result<ScheduledJob, ScheduleError>] {
    let now = clock.now
    let checked = submissions.map { check($0, at: now) }
    var insertions = await insert(checked.compactMap { try? $0.get() }, at: now).makeIterator()
    return checked.map { check in
      check.flatMap { new in
        guard let insertion = insertions.next() else {
          return .failure(.store(.failed("the store did not answer for every job")))
        }
        return insertion.mapError(ScheduleError.store).flatMap {
          Self.outcome(of: $0, for: new.job)
        }
      }
    }
  }

  private func insert(
    _ jobs: [NewJob], at now: Timestamp
  ) async -> [Result<Insertion, StoreError>] {
    do throws(StoreError) {
      return try await store.insert(jobs, at: now).map { .success($0) }
    } catch {
      return jobs.map { _ in .failure(error) }
    }
  }

  private func check(
    _ submission: JobSubmission, at now: Timestamp
  ) -> Result<NewJob, ScheduleError> {
    guard let type = catalog.type(submission.type) else {
      return .failure(.unknownType(submission.type, known: catalog.types.map(\.id)))
    }
    // The server would write into its own queues what whoever reads them does not understand.
    if let address = submission.reply?.address, names.isOwn(address) {
      return .failure(.ownAddress(address))
    }
    do {
      let job = try submission.job(of: type.description, queue: type.queue, at: now)
      return .success(NewJob(job, submitted: submission.params))
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
    case .unreadable: .failure(.unreadable(job.id))
    case .unfit(let why): .failure(.store(.unfit(why)))
    }
  }
}
