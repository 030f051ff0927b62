/// Where a connection is in its life. A value without I/O, driven by what happens.
struct ConnectionLife {
  enum Phase: Equatable {
    case notStarted
    /// Not connected, on the way to be.
    case connecting
    /// Connected; topology and consumers are being made again.
    case recovering
    case ready
    case closing
    case ended
  }

  /// What follows a failure.
  enum Next: Equatable {
    /// Another attempt, after a pause.
    case retry
    /// The first connection could not be made often enough.
    case giveUp
    /// The end was wanted anyway.
    case stop
  }

  private(set) var phase = Phase.notStarted
  /// ``Connection/run()``'s task has been cancelled.
  private(set) var isStopping = false
  private var hasBeenReady = false
  /// How often in a row no connection could be made, or one was lost before it was of use.
  private(set) var failures = 0

  /// Whether something may still be waited for.
  var isOver: Bool { phase == .closing || phase == .ended }

  /// `run()` is called: false if it was before.
  mutating func run() -> Bool {
    guard phase == .notStarted else { return false }
    phase = .connecting
    return true
  }

  /// A session is up.
  mutating func connected() {
    if phase == .connecting { phase = .recovering }
  }

  /// Everything is as it was before: false if the session has been lost meanwhile.
  mutating func recovered() -> Bool {
    guard phase == .recovering else { return false }
    phase = .ready
    hasBeenReady = true
    failures = 0
    return true
  }

  /// The session is gone.
  mutating func lost() {
    switch phase {
    case .recovering, .ready: phase = .connecting
    case .notStarted, .connecting, .closing, .ended: break
    }
  }

  /// An attempt to connect has failed, or a session was lost. `limit`: how often that may be before
  /// the first success.
  mutating func failed(limit: Int?) -> Next {
    guard !isStopping else { return .stop }
    failures += 1
    if !hasBeenReady, let limit, failures >= limit { return .giveUp }
    return .retry
  }

  /// The task is cancelled: false if it was before.
  mutating func stop() -> Bool {
    defer { isStopping = true }
    return !isStopping
  }

  /// The end begins: whether there is a broker to say so to.
  mutating func close() -> Bool {
    defer { phase = .closing }
    return phase == .ready
  }

  mutating func end() { phase = .ended }
}

/// Someone who waits for the connection to be ready. Belongs to the connection's actor.
struct ReadyWaiter {
  var deadline: Deadline?
  var resume: (Result<Void, AMQPError>) -> Void
}

/// A pause before another attempt. Belongs to the connection's actor.
struct Pause {
  /// Whether it ends early when the connection that it concerns is lost.
  var endsWithSession: Bool
  var deadline: Deadline?
  var resume: () -> Void
}

/// What the supervisor of a connection is told, and whether it waits to be told. Belongs to the
/// connection's actor.
struct NoticeBox {
  enum Notice {
    case lost(generation: UInt64, AMQPError)
    case repair(consumer: UInt64, AMQPError)
    /// Something of the topology was refused.
    case redeclare
    case stop
  }

  private var notices = FIFO<Notice>()
  private var waiter: (() -> Void)?

  mutating func post(_ notice: Notice) {
    notices.append(notice)
    let waiter = self.waiter
    self.waiter = nil
    waiter?()
  }

  mutating func take() -> Notice? { notices.popFirst() }

  /// Calls `waiter` once there is a notice.
  mutating func wait(_ waiter: @escaping () -> Void) {
    if notices.isEmpty {
      self.waiter = waiter
    } else {
      waiter()
    }
  }

  /// Forgets what concerned a connection that is gone.
  mutating func removeAll() { _ = notices.removeAll() }
}

extension Connection {
  /// Waits until the connection is made and recovered, for at most `timeout`.
  ///
  /// Throws ``AMQPError/timeout(_:)`` with the last reason why there is no connection,
  /// ``AMQPError/closed(_:)`` once ``run()`` has ended, ``AMQPError/cancelled`` if the task is
  /// cancelled.
  public func waitUntilReady(timeout: Duration) async throws(AMQPError) {
    guard life.phase != .ready else { return }
    guard !life.isOver else { throw .closed("run() has ended") }
    let id = nextNumber()
    let result: Result<Void, AMQPError> = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        guard !Task.isCancelled else {
          continuation.resume(returning: .failure(.cancelled))
          return
        }
        readyWaiters[id] = ReadyWaiter(
          deadline: timers.schedule(after: timeout) {
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
        if life.phase == .notStarted { "run() has not been called" } else { "still connecting" }
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
        deadline: timers.schedule(after: duration) {
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
}
