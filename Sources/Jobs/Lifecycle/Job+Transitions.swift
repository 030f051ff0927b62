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

  /// Notes that the producer has been told of the end.
  public mutating func noteReply() {
    if status.isFinal { reply = nil }
  }

  /// Notes that the broker has confirmed a ticket for the job's present wait.
  ///
  /// - Parameter attempt: the number of attempts when the ticket was made; a wait that came later has none yet.
  public mutating func noteTicket(afterAttempt attempt: Int) {
    if status == .waiting, self.attempt == attempt { ticketIssued = true }
  }
}
