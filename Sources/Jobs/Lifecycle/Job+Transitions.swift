extension Job {
  /// Back to waiting, for another attempt.
  mutating func wait(until due: Timestamp, at now: Timestamp, because reason: String) {
    move(to: .waiting, at: now)
    scheduledAt = due
    details = reason
    lockedBy = nil
    eta = nil
    claim = nil
  }

  /// Notes that these producers have been told of the end, or never can be.
  ///
  /// - Returns: whether that changes anything.
  @discardableResult
  package mutating func noteReplies(_ told: Set<JobReply>) -> Bool {
    guard status.isFinal, replies.contains(where: told.contains) else { return false }
    replies.removeAll { told.contains($0) }
    return true
  }

  /// Another producer has asked for the same job, and wants to be told of its end as well.
  package mutating func add(_ more: [JobReply]) {
    for reply in more where !replies.contains(reply) { replies.append(reply) }
    let excess = replies.count - JobReply.mostOfOneJob
    if excess > 0 { replies.removeFirst(excess) }
  }

  /// What is stored of the job cannot be read, so that it can never run: it has failed, where its status allows that.
  package mutating func failUnreadable(_ reason: String, at now: Timestamp) {
    guard status.successors.contains(.failed) else { return }
    error = reason
    move(to: .failed, at: now)
  }
}

extension Job {
  /// The init callback has returned: the job may run.
  ///
  /// - Returns: whether it still was being created.
  @discardableResult
  package mutating func finishInitialization(at now: Timestamp) -> Bool {
    guard status == .initializing else { return false }
    move(to: .waiting, at: now)
    return true
  }

  /// The init callback has thrown, when nobody waits for the answer any more.
  ///
  /// - Returns: whether it still was being created.
  @discardableResult
  package mutating func failInitialization(_ message: String, at now: Timestamp) -> Bool {
    guard status == .initializing else { return false }
    error = message
    move(to: .failed, at: now)
    return true
  }
}

extension Job {
  /// What a request to cancel did.
  package enum CancelDecision: Sendable, Hashable {
    /// It is canceled.
    case canceled
    /// It is canceling; its worker has to be told.
    case tell(WorkerID, attempt: Int)
    /// It has ended; nothing was changed.
    case pointless
  }

  /// Cancels the job: at once where nobody runs it, through its worker otherwise.
  ///
  /// - Parameter reason: why, for people.
  package mutating func cancel(at now: Timestamp, reason: String? = nil) -> CancelDecision {
    switch status {
    case .initializing, .waiting, .resuming, .suspended:
      if let reason { details = reason }
      move(to: .canceled, at: now)
      return .canceled
    case .running, .locked, .suspending:
      if let reason { details = reason }
      move(to: .canceling, at: now)
      return tellWorker(at: now)
    case .canceling:
      return tellWorker(at: now)
    case .skipped, .canceled, .failed, .timedOut, .completed:
      return .pointless
    }
  }

  /// What was given as the reason, of a job that is being canceled.
  package var cancelReason: String? {
    // Nothing else gives details to a job that a worker has.
    status == .canceling && !details.isEmpty ? details : nil
  }

  private mutating func tellWorker(at now: Timestamp) -> CancelDecision {
    guard let worker else {
      move(to: .canceled, at: now)
      return .canceled
    }
    return .tell(worker, attempt: attempt)
  }
}

extension Job {
  /// What a request to suspend did.
  package enum SuspendDecision: Sendable, Hashable {
    /// It is suspended.
    case suspended
    /// It is suspending; its worker has to be told.
    case tell(WorkerID, attempt: Int)
    /// It is suspended already; nothing was changed.
    case pointless
    /// Its status forbids it.
    case rejected(StatusTransitionError)
  }

  /// What a request to resume did.
  package enum ResumeDecision: Sendable, Hashable {
    /// It waits again.
    case resumed
    /// It need not be resumed: it waits or runs already.
    case pointless
    /// Its status forbids it.
    case rejected(StatusTransitionError)
  }

  /// Suspends the job: at once where nobody runs it, through its worker otherwise. Whether its type can be suspended is
  /// for the caller to know.
  package mutating func suspend(at now: Timestamp) -> SuspendDecision {
    switch status {
    case .initializing, .waiting:
      rest(at: now)
      return .suspended
    case .running, .locked, .suspending:
      if status != .suspending { move(to: .suspending, at: now) }
      guard let worker else {
        rest(at: now)
        return .suspended
      }
      return .tell(worker, attempt: attempt)
    case .suspended:
      return .pointless
    case .canceling, .resuming, .skipped, .canceled, .failed, .timedOut, .completed:
      return .rejected(StatusTransitionError(from: status, to: .suspending))
    }
  }

  /// Lets a suspended job wait again; a time for which it was scheduled still counts.
  package mutating func resume(at now: Timestamp) -> ResumeDecision {
    switch StatusTransition(from: status, to: .resuming) {
    case .apply:
      move(to: .resuming, at: now)
      wait(until: max(scheduledAt, now), at: now, because: "resumed")
      return .resumed
    case .ignore where status == .resuming:
      wait(until: max(scheduledAt, now), at: now, because: "resumed")
      return .resumed
    case .ignore:
      return .pointless
    case .reject(let error):
      return .rejected(error)
    }
  }

  /// Suspended: nobody has it, and nobody is given it.
  mutating func rest(at now: Timestamp) {
    move(to: .suspended, at: now)
    lockedBy = nil
    eta = nil
    claim = nil
  }
}
