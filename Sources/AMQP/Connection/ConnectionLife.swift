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
