import AMQP
import Foundation
import JobTransport
import Jobs

/// What would become of a dead letter if it were published now: the checks that the consumers make, without a change.
struct DeadLetterCheck: Sendable {
  enum Verdict: Sendable {
    /// - Parameters:
    ///   - message: as it is to be published, but for where it comes from.
    ///   - job: the one that it becomes, where that is known.
    case acceptable(Message, job: JobID?)
    case refused(reason: String, detail: String, errors: [ParamsViolation] = [])
  }

  let intake: Intake
  let store: any JobStore
  let access: BrokerAccess
  let maxBodyBytes: Int

  func verdict(on letter: StoredDeadLetter) async throws(StoreError) -> Verdict {
    let message = LetterCoding.message(letter.current)
    guard !LetterCoding.isLost(letter.current) else {
      return .refused(
        reason: "bad-header",
        detail: "the headers that it had could not be kept, or not be read; edit it, and say which"
          + " headers it shall have")
    }
    do {
      switch letter.record.kind {
      case .own:
        return .refused(
          reason: "own-message",
          detail: "it is a message of Warren's own, which is made again where it is needed: drop it"
        )
      case .report: return try report(message, letter.record)
      case .cancel: return try await cancel(message, letter)
      case .job: return try await job(message, letter)
      }
    } catch let error as JobMessageError {
      return .refused(reason: error.reason.rawValue, detail: error.description)
    } catch let error as BrokerAccessError {
      return .refused(reason: "forbidden", detail: error.description)
    } catch let error as StoreError {
      guard case .corrupt = error else { throw error }
      return .refused(reason: "unreadable", detail: error.description)
    } catch {
      return .refused(reason: "bad-report", detail: "\(error)".shortened(to: 800))
    }
  }

  private func report(_ message: Message, _ record: DeadLetterRecord) throws -> Verdict {
    let received = try WireCoding.received(message)
    try access.checkWorker(record.user)
    if let malformed = received.malformed.first {
      return .refused(reason: "bad-report", detail: malformed.why)
    }
    return .acceptable(message, job: nil)
  }

  private func cancel(_ message: Message, _ letter: StoredDeadLetter) async throws -> Verdict {
    if let refusal = tooLarge(message) { return refusal }
    let cancellation = try CancelMessage.cancellation(message)
    let tenant = try access.tenant(cancellation.tenantID, by: letter.record.user)
    if let refusal = foreign(tenant, letter) { return refusal }
    var known: Job?
    if let key = cancellation.idempotencyKey {
      known = try await store.job(idempotencyKey: key.uuid, tenant: tenant)
    }
    if known == nil { known = try await store.job(cancellation.job, tenant: tenant) }
    guard let known else {
      return .refused(
        reason: "unknown-job",
        detail: JobOperationError.unknownJob(cancellation.job).description)
    }
    return .acceptable(message, job: known.id)
  }

  private func job(_ message: Message, _ letter: StoredDeadLetter) async throws -> Verdict {
    if let refusal = tooLarge(message) { return refusal }
    var message = message
    var submission = try JobMessage.submission(message)
    submission.tenantID = try access.tenant(submission.tenantID, by: letter.record.user)
    if let refusal = foreign(submission.tenantID, letter) { return refusal }
    if submission.id == nil, submission.idempotencyKey == nil {
      // Published twice, it is one job.
      let id = letter.record.jobID
      submission.id = id
      message.properties.messageID = id.description
    }
    switch try await intake.preview(submission) {
    case .success(let job): return .acceptable(message, job: job)
    case .failure(let error):
      return .refused(
        reason: error.deadLetterReason, detail: error.description, errors: error.violations)
    }
  }

  private func tooLarge(_ message: Message) -> Verdict? {
    let size = message.body.count
    guard size > maxBodyBytes else { return nil }
    return .refused(
      reason: "body-too-large", detail: "the body has \(size) bytes; \(maxBodyBytes) are allowed")
  }

  /// Whoever edits a letter speaks for its own tenant.
  private func foreign(_ tenant: UUID, _ letter: StoredDeadLetter) -> Verdict? {
    guard letter.edited != nil, tenant != letter.record.tenantID else { return nil }
    return .refused(
      reason: "forbidden",
      detail:
        "it was edited by the tenant \(letter.record.tenantID.uuidString.lowercased()), and would"
        + " be another tenant's; undo the edit, or have it published by who may")
  }
}

extension DeadLetterRecord {
  /// The id of the job that it becomes, where its message names neither an id nor a key: always the same (RFC 9562, section 5.8).
  var jobID: JobID {
    JobID(IdempotencyKey(uuid: root).derived("dead letter"), near: JobID(root))
  }
}

extension Intake {
  /// What would become of a submission now.
  ///
  /// - Returns: the job that it repeats or becomes.
  func preview(
    _ submission: JobSubmission
  ) async throws(StoreError) -> Result<JobID?, ScheduleError> {
    let new: NewJob
    switch check(submission, at: clock.now) {
    case .failure(let error): return .failure(error)
    case .success(let checked): new = checked
    }
    if try await store.isDeleted(new.job.id) { return .failure(.deleted(new.job.id)) }
    var known = try await store.job(new.job.id, tenant: nil)
    if known == nil {
      known = try await store.job(
        idempotencyKey: new.job.idempotencyKey, tenant: new.job.tenantID)
    }
    guard let known else { return .success(submission.id == nil ? nil : new.job.id) }
    let hasKey = known.idempotencyKey == new.job.idempotencyKey
    let submitted = try await store.submitted([known.id], bytes: .max).first ?? nil
    guard known.tenantID == new.job.tenantID, hasKey, known.type == new.job.type,
      submitted?.submitted == new.submitted
    else { return .failure(.conflict(existing: known, key: hasKey)) }
    return .success(known.id)
  }
}
