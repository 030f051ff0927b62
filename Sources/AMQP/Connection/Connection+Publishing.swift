extension Connection {
  /// Publishes, and waits for the broker's verdict on each: one per publication, in order.
  ///
  /// All are written in one go and confirmed together; further calls do not wait for earlier ones.
  /// While the connection is down, or blocked by the broker, they wait. What has no verdict after
  /// `timeout` is ``PublishVerdict/notSent(_:)``, or ``PublishVerdict/unknown(_:)`` if it has been
  /// sent. Cancelling the task does not cut it short: what
  /// is written cannot be taken back, and the outcome of a job that was cancelled must get through
  /// all the same.
  public func publish(
    _ publications: [Publication], timeout: Duration = .seconds(30)
  ) async -> [PublishVerdict] {
    guard !publications.isEmpty else { return [] }
    switch phase {
    case .closing, .ended:
      return Array(
        repeating: .notSent("run() has ended"), count: publications.count)
    case .notStarted, .connecting, .recovering, .ready: break
    }
    return await withCheckedContinuation { continuation in
      enqueue(publications, on: publishing, timeout: timeout) {
        continuation.resume(returning: $0)
      }
    }
  }

  /// Publishes one message: see ``publish(_:timeout:)-([Publication],_)``.
  public func publish(
    _ publication: Publication, timeout: Duration = .seconds(30)
  ) async -> PublishVerdict {
    await publish([publication], timeout: timeout).first ?? .notSent("")
  }

  /// Puts publications in line.
  @discardableResult
  func enqueue(
    _ publications: [Publication], on lane: PublishLane, timeout: Duration,
    completion: @escaping ([PublishVerdict]) -> Void
  ) -> PublishBatch {
    let batch = PublishBatch(publications, completion: completion)
    let frameMax = socket?.frameMax ?? Int(configuration.frameMax)
    for (index, publication) in publications.enumerated() {
      do throws(AMQPError) {
        try publication.check(frameMax: frameMax)
      } catch {
        batch.settle(index, .notSent("\(error)"))
      }
    }
    guard !batch.isFinished else { return batch }
    batch.deadline = schedule(after: timeout) { [weak batch] in
      batch?.finish(self.whyUnconfirmed(after: timeout))
    }
    lane.append(batch)
    return batch
  }

  private func whyUnconfirmed(after timeout: Duration) -> String {
    let why =
      if let blockedReason {
        "the broker has blocked publishing: \(blockedReason)"
      } else if case .ready = phase {
        "no confirm"
      } else {
        lastError?.description ?? "not connected"
      }
    return "timed out after \(timeout): \(why)"
  }

  func confirm(tag: UInt64, multiple: Bool, ack: Bool, on channel: Channel) throws(AMQPError) {
    guard case .publishing(let lane) = channel.role else {
      throw .protocolViolation("a confirm on channel \(channel.number), which does not publish")
    }
    try lane.tracker.answered(tag: tag, multiple: multiple, ack: ack) { slot, verdict in
      slot.batch.settle(slot.index, verdict)
    }
  }
}
