extension Connection {
  /// Waits until the connection is made and recovered, for at most `timeout`.
  ///
  /// Throws ``AMQPError/timeout(_:)`` with the last reason why there is no connection,
  /// ``AMQPError/closed(_:)`` once ``run()`` has ended, ``AMQPError/cancelled`` if the task is
  /// cancelled.
  public func waitUntilReady(timeout: Duration) async throws(AMQPError) {
    switch phase {
    case .ready: return
    case .ended, .closing: throw .closed("run() has ended")
    case .notStarted, .connecting, .recovering: break
    }
    let id = nextNumber()
    let result: Result<Void, AMQPError> = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        guard !Task.isCancelled else {
          continuation.resume(returning: .failure(.cancelled))
          return
        }
        readyWaiters[id] = ReadyWaiter(
          deadline: schedule(after: timeout) {
            self.endReadyWait(id, self.notReady(within: timeout))
          },
          resume: { continuation.resume(returning: $0) })
      }
    } onCancel: {
      perform { $0.endReadyWait(id, .cancelled) }
    }
    try result.get()
  }

  private func endReadyWait(_ id: UInt64, _ error: AMQPError) {
    guard let waiter = readyWaiters.removeValue(forKey: id) else { return }
    waiter.deadline?.cancel()
    waiter.resume(.failure(error))
  }

  private func notReady(within timeout: Duration) -> AMQPError {
    let why =
      lastError?.description
      ?? {
        if case .notStarted = phase { "run() has not been called" } else { "still connecting" }
      }()
    return .timeout("no connection to the broker within \(timeout): \(why)")
  }

  /// Sleeps, unless the reason to do so goes away first.
  func pause(_ duration: Duration, endsWithSession: Bool) async {
    guard !isStopping else { return }
    let id = nextNumber()
    await withCheckedContinuation { continuation in
      pauses[id] = Pause(
        endsWithSession: endsWithSession,
        deadline: schedule(after: duration) {
          self.endPause(id)
        },
        resume: { continuation.resume() })
    }
  }

  private func endPause(_ id: UInt64) {
    guard let pause = pauses.removeValue(forKey: id) else { return }
    pause.deadline?.cancel()
    pause.resume()
  }

  func endPauses(_ which: (Pause) -> Bool) {
    for id in pauses.filter({ which($0.value) }).keys { endPause(id) }
  }

  /// Tries until it succeeds, as long as it fails only because the connection is lost, and for at
  /// most `rpcTimeout` and the time that one answer may take. For what may be done twice without
  /// harm.
  func retrying<Value: Sendable>(
    _ body: () async throws(AMQPError) -> Value
  ) async throws(AMQPError) -> Value {
    let end = ContinuousClock.now + configuration.rpcTimeout
    while true {
      try await waitUntilReady(timeout: end - .now)
      do throws(AMQPError) {
        return try await body()
      } catch {
        guard error.isConnectionLoss, .now < end else { throw error }
      }
    }
  }
}
