package import Foundation

extension Job {
  /// Gives a waiting job to a worker: its next attempt begins.
  ///
  /// - Returns: `nil` when it does not wait; then it is as it was.
  package mutating func start(
    by worker: WorkerID, claim: UUID, at now: Timestamp
  ) -> JobAssignment? {
    guard status == .waiting else { return nil }
    attempt += 1
    self.worker = worker
    self.claim = claim
    move(to: .running, at: now)
    if startedAt == nil { startedAt = now }
    attemptStartedAt = now
    eta = latestEnd
    details = ""
    return assignment
  }

  /// What a worker is told of the newest attempt.
  package var assignment: JobAssignment {
    JobAssignment(
      job: id, type: type, attempt: attempt, retries: retries, maxRetries: retry.maxRetries,
      tenant: tenantID, user: userID, params: JSONPayload(params), timeout: timeout,
      snapshot: snapshot.map { JSONPayload($0) }, context: context, createdAt: createdAt,
      scheduledAt: scheduledAt)
  }

  /// Takes the job from its worker, which is gone: it waits again, is what it was told to become, or is poison.
  ///
  /// - Parameter poisonLimit: how many workers it may cost before it fails.
  package mutating func loseWorker(at now: Timestamp, poisonLimit: Int) {
    switch status {
    case .canceling:
      move(to: .canceled, at: now)
    case .suspending:
      rest(at: now)
    case .running, .locked:
      lostWorkers += 1
      if lostWorkers >= poisonLimit {
        error = "poison: \(lostWorkers) workers ended while they ran this job"
        move(to: .failed, at: now)
      } else {
        let name = worker?.rawValue ?? "unknown"
        let lost = claim
        wait(until: now, at: now, because: "its worker \(name) is gone")
        // Should it live after all, and nobody have claimed the job since, what it reports counts.
        claim = lost
      }
    case .initializing, .waiting, .resuming, .suspended, .skipped, .canceled, .failed, .timedOut,
      .completed:
      break
    }
  }
}

extension Job {
  /// Whether an attempt that a worker says it runs is the job's.
  package enum Attestation: Sendable, Hashable {
    /// It is, and goes on.
    case kept
    /// It is no longer the job's; whoever runs it shall stop.
    case fenced
  }

  /// Decides on an attempt that is under way in a worker which was away.
  ///
  /// A job that was taken from its worker and that nobody has claimed since is the worker's again.
  package mutating func attest(
    attempt: Int, by worker: WorkerID, at now: Timestamp
  ) -> Attestation {
    guard attempt == self.attempt, worker == self.worker else { return .fenced }
    if status == .waiting, claim != nil { rejoin(at: now) }
    return status.isHeld ? .kept : .fenced
  }

  /// The attempt goes on, though its worker was taken for lost: nobody has claimed the job since.
  mutating func rejoin(at now: Timestamp) {
    move(to: .running, at: now)
    lostWorkers = max(0, lostWorkers - 1)
    details = ""
    eta = latestEnd
  }
}

extension Job {
  /// What becomes of a worker's report.
  package enum ReportDecision: Sendable, Hashable {
    /// It has been applied.
    case applied
    /// It changes nothing: the same was reported before.
    case ignored
    /// It comes from an attempt that is no longer the job's; whoever reports it shall stop.
    case fenced
    /// The store does not take it, and why. If it was an outcome, the job has failed with that.
    case refused(String)
  }

  /// Applies what a worker reports.
  ///
  /// - Parameters:
  ///   - chance: a number from 0 up to 1, at random, for the jitter of a retry.
  ///   - now: when the report is applied.
  package mutating func apply(
    _ report: JobReport, at now: Timestamp, chance: Double
  ) -> ReportDecision {
    guard report.attempt == attempt, report.worker == worker else { return .fenced }
    if status == .waiting, claim != nil { rejoin(at: now) }
    guard status.isHeld else {
      // The broker may deliver a report twice; the attempt's own outcome is not foreign to it.
      if case .ended = report.content { return .ignored }
      return .fenced
    }
    switch report.content {
    case .progress(let progress):
      note(progress, at: now)
    case .log:
      // The store keeps it, beside the job.
      break
    case .snapshot(let snapshot):
      do throws(JSONError) {
        self.snapshot = try snapshot.value()
      } catch {
        return .refused("the snapshot cannot be read: \(error)")
      }
      updatedAt = max(now, updatedAt)
    case .policy(let retry, let timeout):
      self.retry = retry.normalized
      if let timeout { self.timeout = min(max(.zero, .milliseconds(timeout)), .longest) }
      updatedAt = max(now, updatedAt)
    case .ended(let outcome):
      end(outcome, at: now, chance: chance)
    }
    return .applied
  }

  private mutating func note(_ progress: JobProgress, at now: Timestamp) {
    if let percent = progress.percent { self.progress = percent }
    if let details = progress.details { progressDetails = details }
    updatedAt = max(now, updatedAt)
    eta = estimatedEnd(at: now)
  }

  /// Takes the pace since the attempt's start to hold on, up to the attempt's timeout.
  private func estimatedEnd(at now: Timestamp) -> Timestamp? {
    // A store of an earlier version knows only when the first attempt began.
    guard let start = attemptStartedAt ?? startedAt, progress > 0, progress < 100 else {
      return latestEnd
    }
    let remaining = (now - start).seconds * (100 - progress) / progress
    guard let end = Duration(checkedSeconds: remaining).map({ now + $0 }) else { return latestEnd }
    return latestEnd.map { min($0, end) } ?? end
  }

  /// When the attempt's timeout ends it; `nil` for a job without one.
  var latestEnd: Timestamp? {
    guard timeout > .zero else { return nil }
    return attemptStartedAt.map { $0 + timeout }
  }

  private mutating func end(_ outcome: JobOutcome, at now: Timestamp, chance: Double) {
    switch outcome {
    case .completed(let result):
      do throws(JSONError) {
        self.result = try result?.value()
        error = nil
        progress = 100
        complete(at: now)
      } catch {
        self.error = "the result cannot be read: \(error)"
        fail(.never, at: now)
      }
    case .failed(let message, let permanent):
      error = message
      fail(permanent ? .never : .byPolicy(chance: chance), at: now)
    case .retryAfter(let message, let delay, let counted):
      error = message
      fail(.after(delay, counted: counted), at: now)
    case .snoozed(let delay, let reason):
      stop(at: now) { job in
        job.wait(
          until: now + Self.uncounted(delay), at: now,
          because: "snoozed" + (reason.map { ": \($0)" } ?? ""))
      }
    case .timedOut(let message):
      error = message
      move(to: .timedOut, at: now)
    case .skipped(let reason):
      // Also as the error, where the reference has it.
      details = reason
      error = reason.isEmpty ? nil : reason
      if status == .locked { move(to: .running, at: now) }
      move(to: .skipped, at: now)
    case .canceled, .returned:
      stop(at: now) { $0.wait(until: now, at: now, because: "given back by its worker") }
    }
  }

  private mutating func complete(at now: Timestamp) {
    if status == .locked { move(to: .running, at: now) }
    move(to: .completed, at: now)
  }

  /// Which attempt follows one that has failed.
  private enum Next {
    case never
    /// - Parameter chance: places the delay within its jitter.
    case byPolicy(chance: Double)
    case after(Duration, counted: Bool)
  }

  /// An error while canceling is canceled, while suspending suspended, with retries left waiting, else failed.
  private mutating func fail(_ next: Next, at now: Timestamp) {
    stop(at: now) { job in
      switch next {
      case .after(let delay, counted: false):
        job.wait(
          until: now + Self.uncounted(delay), at: now, because: "a retry that is not counted")
      case .after(let delay, counted: true) where job.retries < job.retry.maxRetries:
        job.retry(after: min(max(.zero, delay), .longest), at: now)
      case .byPolicy(let chance) where job.retries < job.retry.maxRetries:
        job.retry(
          after: job.retry.delay(beforeRetry: job.retries + 1, chance: chance), at: now)
      case .never, .byPolicy, .after:
        job.move(to: .failed, at: now)
      }
    }
  }

  private mutating func retry(after delay: Duration, at now: Timestamp) {
    retries += 1
    wait(until: now + delay, at: now, because: "retry \(retries) of \(retry.maxRetries)")
  }

  /// What uses up no retry must not go on without end at full speed.
  private static func uncounted(_ delay: Duration) -> Duration {
    min(max(RetryAfter.shortestUncounted, delay), .longest)
  }

  /// The attempt ended before its work did: that is what was asked for, unless nobody has.
  private mutating func stop(at now: Timestamp, otherwise goOn: (inout Job) -> Void) {
    switch status {
    case .canceling: move(to: .canceled, at: now)
    case .suspending: rest(at: now)
    default: goOn(&self)
    }
  }
}

extension Job {
  /// Marks a running job as locked by another one. That the two do not wait for each other is for the store to know.
  ///
  /// - Returns: why not, when its status forbids it.
  package mutating func lock(by other: JobID, at now: Timestamp) -> LockError? {
    guard status == .running || status == .locked else { return .status(status) }
    if status == .running { move(to: .locked, at: now) }
    lockedBy = other
    return nil
  }

  /// Takes the mark away, where there is one.
  ///
  /// - Returns: why not, when its status forbids it.
  package mutating func unlock(at now: Timestamp) -> LockError? {
    guard status.isHeld else { return .status(status) }
    if status == .locked { move(to: .running, at: now) }
    lockedBy = nil
    return nil
  }
}
