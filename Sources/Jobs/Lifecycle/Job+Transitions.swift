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
  public mutating func noteReplies(_ told: Set<JobReply>) -> Bool {
    guard status.isFinal, replies.contains(where: told.contains) else { return false }
    replies.removeAll { told.contains($0) }
    return true
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
}
