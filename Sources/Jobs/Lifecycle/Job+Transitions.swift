extension Job {
  /// The one place where a status changes.
  mutating func move(to next: JobStatus, at now: Timestamp) {
    assert(status.successors.contains(next), "\(status) -> \(next)")
    status = next
    updatedAt = max(now, updatedAt)
    if next.isFinal {
      lockedBy = nil
      eta = nil
      snapshot = nil
    }
  }

  /// Back to waiting, for another attempt.
  mutating func wait(until due: Timestamp, at now: Timestamp, because reason: String) {
    move(to: .waiting, at: now)
    scheduledAt = due
    details = reason
    lockedBy = nil
    eta = nil
    claim = nil
    ticketIssued = false
  }

  /// Notes that these producers have been told of the end, or never can be.
  public mutating func noteReplies(_ told: Set<JobReply>) {
    if status.isFinal { replies.removeAll { told.contains($0) } }
  }

  /// Another producer has asked for the same job, and wants to be told of its end as well.
  public mutating func add(_ more: [JobReply]) {
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

  /// Notes that the broker has confirmed a ticket for the job's present wait.
  ///
  /// - Parameter attempt: the number of attempts when the ticket was made; a wait that came later has none yet.
  public mutating func noteTicket(afterAttempt attempt: Int) {
    if status == .waiting, self.attempt == attempt { ticketIssued = true }
  }
}
