package import Foundation

/// What somebody wants to become of a job.
package struct JobCommand: Sendable, Hashable {
  package enum Action: Sendable, Hashable {
    /// `reason` becomes the job's details.
    case cancel(reason: String?)
    case suspend
    case resume
    /// Its init callback has returned.
    case finishInitialization
    /// Its init callback has thrown.
    case failInitialization(String)
    /// Its worker does not have it any more, though it is there. Only if this still is the newest attempt.
    case lose(attempt: Int, poisonLimit: Int)
    /// These have been told of its end, or never can be.
    case noteReplies([JobReply])
    /// One more wants to be told of its end; at once, should it have ended.
    case addReply(JobReply)
  }

  package let job: JobID
  /// Only if the job is this tenant's; `nil` for anyone's.
  package let tenant: UUID?
  package let action: Action

  package init(_ action: Action, of job: JobID, tenant: UUID? = nil) {
    self.job = job
    self.tenant = tenant
    self.action = action
  }

  /// What a command has come to.
  package enum Decision: Sendable, Hashable {
    /// The job is what it was to become.
    case done
    /// Its worker has to be told; the wish is stored.
    case tell(WorkerID, attempt: Int)
    /// It is there already, or there is nothing to be done any more.
    case pointless
    case rejected(StatusTransitionError)
  }

  /// The decision, and the job after it.
  package struct Result: Sendable, Hashable {
    package let decision: Decision
    package let job: Job

    package init(_ decision: Decision, _ job: Job) {
      self.decision = decision
      self.job = job
    }
  }
}

extension Job {
  /// Carries out a command, as far as the job's status allows it.
  package mutating func apply(
    _ action: JobCommand.Action, at now: Timestamp
  ) -> JobCommand.Decision {
    switch action {
    case .cancel(let reason):
      switch cancel(at: now, reason: reason) {
      case .canceled: .done
      case .tell(let worker, let attempt): .tell(worker, attempt: attempt)
      case .pointless: .pointless
      }
    case .suspend:
      switch suspend(at: now) {
      case .suspended: .done
      case .tell(let worker, let attempt): .tell(worker, attempt: attempt)
      case .pointless: .pointless
      case .rejected(let error): .rejected(error)
      }
    case .resume:
      switch resume(at: now) {
      case .resumed: .done
      case .pointless: .pointless
      case .rejected(let error): .rejected(error)
      }
    case .finishInitialization:
      finishInitialization(at: now) ? .done : .pointless
    case .failInitialization(let message):
      failInitialization(message, at: now) ? .done : .pointless
    case .lose(let attempt, let poisonLimit):
      lose(attempt, at: now, poisonLimit: poisonLimit) ? .done : .pointless
    case .noteReplies(let told):
      noteReplies(Set(told)) ? .done : .pointless
    case .addReply(let reply):
      replies.contains(reply) ? .pointless : added(reply)
    }
  }

  private mutating func added(_ reply: JobReply) -> JobCommand.Decision {
    add([reply])
    return .done
  }

  private mutating func lose(_ attempt: Int, at now: Timestamp, poisonLimit: Int) -> Bool {
    guard self.attempt == attempt, status.isHeld else { return false }
    loseWorker(at: now, poisonLimit: poisonLimit)
    return true
  }
}

/// A job that is to be stored, with the params as they were submitted: a repetition is told by them.
package struct NewJob: Sendable, Hashable {
  package let job: Job
  /// Before the type's defaults were filled in.
  package let submitted: JSONValue
  /// Why it is not stored when it is new: then only what was asked for before is answered.
  package var exceeded: ExceededQuota?

  package init(_ job: Job, submitted: JSONValue) {
    self.job = job
    self.submitted = submitted
  }
}

/// What became of a job that was to be inserted.
package enum Insertion: Sendable, Hashable {
  /// It is in the store.
  case created(Job)
  /// The same was asked for before (same tenant, idempotency key, type and submitted params, or the same id with these);
  /// this is the job that came of it. Who asks now is told of its end as well.
  case repeated(Job)
  /// Its key, or its id, belongs to a job with another content.
  ///
  /// A job with the same id may be another tenant's: then it is not to be shown.
  case conflict(existing: Job)
  /// A job with this id was deleted.
  case deleted
  /// Its key, or its id, belongs to a row that cannot be read.
  case unreadable
  /// It would be new, and the tenant has no room for it.
  case exceeded(ExceededQuota)
  /// The store does not take a value of it, and why. Trying again is of no use.
  case unfit(String)
}

/// What became of a job that was to be deleted.
package enum Deletion: Sendable, Hashable {
  /// It is gone; this is what it was.
  case deleted(Job)
  /// Its status forbids it (``JobStatus/isDeletable``), or somebody else has asked for it meanwhile.
  case refused(Job)
  /// There is no such job, or it is another tenant's.
  case unknown
}
