import Foundation
import JobTransport
package import Jobs

/// A job that was accepted, now or before under the same idempotency key.
package struct ScheduledJob: Sendable, Hashable {
  package let job: Job
  /// Whether it was accepted now.
  package let isNew: Bool
}

/// Where HTTP, AMQP and in-process submissions meet: each is checked, deduplicated and stored.
struct Intake: Sendable {
  let catalog: Catalog
  let store: any JobStore
  /// Where nobody's answers may go.
  let names: TransportNames
  let clock: any ServerClock
  /// How many jobs tenants may submit.
  var rates = SubmissionRates(TenantQuotas())
  /// Who can be told of the ends of jobs.
  var webhooks: [WebhookEndpoint] = []

  /// Accepts or refuses each submission by itself; all that are good are stored in one transaction.
  func schedule(_ submissions: [JobSubmission]) async -> [Result<ScheduledJob, ScheduleError>] {
    let now = clock.now
    let checked = submissions.map { check($0, at: now) }
    var insertions = await admit(checked.compactMap { try? $0.get() }, at: now).makeIterator()
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

  /// Stores jobs as far as their tenants may submit some. What was asked for before counts for nothing, so that the others have
  /// its room.
  private func admit(
    _ jobs: [NewJob], at now: Timestamp
  ) async -> [Result<Insertion, StoreError>] {
    guard rates.isNeeded else { return await insert(jobs, at: now) }
    var insertions: [Int: Result<Insertion, StoreError>] = [:]
    var waiting = Array(jobs.indices)
    while true {
      let (set, taken) = counted(waiting, of: jobs)
      for (index, insertion) in zip(waiting, await insert(set, at: now)) {
        insertions[index] = insertion
      }
      guard !taken.isEmpty else { break }
      var unused: [UUID: Int] = [:]
      for (index, new) in zip(waiting, set) where new.exceeded == nil {
        if case .success(.created) = insertions[index] { continue }
        unused[new.job.tenantID, default: 0] += 1
      }
      for (tenant, count) in unused where taken.contains(tenant) {
        rates.putBack(count, of: tenant, at: clock.uptime)
      }
      waiting = waiting.filter { index in
        guard case .success(.exceeded(let quota)) = insertions[index] else { return false }
        return quota.kind == .perMinute && unused[jobs[index].job.tenantID] != nil
      }
      guard !waiting.isEmpty else { break }
    }
    return jobs.indices.map { insertions[$0] ?? .failure(.failed("the store did not answer")) }
  }

  /// Jobs, those marked for which there is no room, and the tenants that have such a quota.
  private func counted(_ indices: [Int], of jobs: [NewJob]) -> ([NewJob], Set<UUID>) {
    let now = clock.uptime
    var room: [UUID: (taken: Int, exceeded: ExceededQuota)] = [:]
    let counts = Dictionary(indices.map { (jobs[$0].job.tenantID, 1) }, uniquingKeysWith: +)
    for (tenant, count) in counts { room[tenant] = rates.take(count, of: tenant, at: now) }
    let set = indices.map { index in
      var new = jobs[index]
      guard let left = room[new.job.tenantID] else { return new }
      if left.taken > 0 {
        room[new.job.tenantID]?.taken -= 1
      } else {
        new.exceeded = left.exceeded
      }
      return new
    }
    return (set, Set(room.keys))
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

  func check(
    _ submission: JobSubmission, at now: Timestamp
  ) -> Result<NewJob, ScheduleError> {
    guard let type = catalog.type(submission.type) else {
      return .failure(.unknownType(submission.type, known: catalog.types.map(\.id)))
    }
    // One that is done again was made by the server itself.
    guard !submission.type.isReserved || submission.retryOf != nil else {
      return .failure(.reservedType(submission.type))
    }
    // The server would write into its own queues what whoever reads them does not understand.
    if let address = submission.reply?.address, names.isOwn(address) {
      return .failure(.ownAddress(address))
    }
    var submission = submission
    do {
      submission.context = try CarriedContext.checked(submission.context)
    } catch {
      return .failure(.invalidContext(error))
    }
    if let error = check(webhooks: submission) { return .failure(error) }
    do {
      let queue =
        submission.type == WebhookDelivery.type
        ? WebhookDelivery.queue(of: submission.params) ?? type.queue : type.queue
      let job = try submission.job(of: type.description, queue: queue, at: now)
      return .success(NewJob(job, submitted: submission.params))
    } catch {
      return .failure(.invalidParams(submission.type, error))
    }
  }

  /// An endpoint that is not the tenant's is as if it were not there. A job that is done again may name one that has gone since.
  private func check(webhooks submission: JobSubmission) -> ScheduleError? {
    let names = submission.webhooks
    guard !names.isEmpty, submission.retryOf == nil else { return nil }
    guard names.count <= WebhookDelivery.mostNames else {
      return .tooManyWebhooks(names.count)
    }
    let known = webhooks.filter { $0.isOpen(to: submission.tenantID) }.map(\.name)
    return names.first { !known.contains($0) }.map { .unknownWebhook($0, known: known.sorted()) }
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
    case .exceeded(let quota): .failure(.exceeded(quota))
    case .unfit(let why): .failure(.store(.unfit(why)))
    }
  }
}

/// Why a job was not accepted.
package enum ScheduleError: Error, Sendable, CustomStringConvertible {
  case unknownType(JobTypeID, known: [JobTypeID])
  /// Only the server itself has jobs of this type.
  case reservedType(JobTypeID)
  /// No endpoint that is open to the tenant has this name.
  case unknownWebhook(String, known: [String])
  case tooManyWebhooks(Int)
  case invalidParams(JobTypeID, ParamsError)
  /// What shall travel with the job does not.
  case invalidContext(CarriedContextError)
  /// The final job is to be sent to one of Warren's own queues.
  case ownAddress(String)
  /// The idempotency key, or the id, belongs to a job of another type or with other params.
  case conflict(existing: Job, key: Bool)
  /// The idempotency key, or the id, belongs to a job whose stored data cannot be read.
  case unreadable(JobID)
  /// There was a job of that id, and it has been deleted.
  case deleted(JobID)
  /// The tenant has as many jobs as its quota allows.
  case exceeded(ExceededQuota)
  /// The type's init callback has refused it.
  case refused(JobTypeID, String)
  /// No worker is there to call the type's init callback.
  case nobody(JobTypeID)
  /// A worker was asked to call the type's init callback and did not answer.
  case noAnswer(JobTypeID)
  /// It is not known whether the job was accepted: asking again with the same idempotency key is safe.
  case store(StoreError)

  package var description: String {
    switch self {
    case .unknownType(let id, let known):
      let names = known.map(\.description).listedAsKnown(orElse: "none is known yet")
      return "there is no job type \(id); \(names)"
    case .reservedType(let id):
      return
        "jobs of the type \(id) are the server's own; one that has failed can be retried, and none be scheduled"
    case .unknownWebhook(let name, let known):
      return "there is no webhook '\(name.shortened(to: 100))'; "
        + known.listedAsKnown(orElse: "the server has none for this tenant")
    case .tooManyWebhooks(let count):
      return "the job names \(count) webhooks; \(WebhookDelivery.mostNames) are the most"
    case .invalidParams(let id, let error):
      return "the params of \(id) do not fit: \(error)"
    case .invalidContext(let error):
      return error.description
    case .ownAddress(let address):
      return
        "reply_to must not be a queue of Warren's own, as '\(address.prefix(100))' is by its name; give a queue of yours, or amq.rabbitmq.reply-to"
    case .conflict(let existing, let key):
      let what = key ? "idempotency key" : "id"
      return "the \(what) belongs to job \(existing.id), which has another type or other params"
    case .unreadable(let id):
      return
        "what is stored under the id or idempotency key of job \(id) cannot be read; the server's log says more, and another key makes another job"
    case .deleted(let id):
      return "job \(id) has been deleted; a new job takes a new id"
    case .exceeded(let quota):
      return quota.description
    case .refused(let type, let message):
      return "the init callback of \(type) refuses the job: \(message)"
    case .nobody(let type):
      return "no worker of \(type) is there to initialize the job"
    case .noAnswer(let type):
      return "the worker that was to initialize a job of \(type) did not answer"
    case .store(let error):
      return "the status store failed: \(error)"
    }
  }
}
