/// What an event loop waits for before its next turn.
struct PollPlan: Sendable {
  /// The socket to watch; `nil` while there is none.
  var descriptor: Int32?
  /// Tells the socket from an earlier one of the same descriptor.
  var token: UInt64 = 0
  /// Whether to wake when the socket has input.
  var wantsInput = true
  /// Whether to wake, too, when the socket takes output.
  var wantsOutput = false
  /// Whether it is a short sleep in which input gathers: what is not urgent need not end it.
  var isGathering = false
  /// When to wake at the latest.
  var deadline: ContinuousClock.Instant?
  /// Whether to come back at once, since work is left.
  var immediately = false
  /// Whether the thread may end if no job is queued: nothing is connected, and nothing waits for
  /// its time.
  var idle = true
}

/// What a poll found.
struct Readiness: Sendable {
  /// The ``PollPlan/token`` of the socket that was asked about.
  var token: UInt64 = 0
  /// Input, an end of file or an error can be read.
  var readable = false
  /// Output is taken.
  var writable = false
  /// The socket is no longer connected: reading it says why.
  var failed = false
}

/// Whose work an ``EventLoop`` does.
protocol EventLoopOwner: AnyObject, Sendable {
  /// Called on the loop's thread between jobs and polls: deals with what the poll found, says what
  /// to wait for next.
  func turn(_ readiness: Readiness) -> PollPlan
}

/// Whether to let input gather for a moment before the socket is read again: while much comes, to wake
/// for every few messages costs more than to deal with them. A value without I/O.
struct Gathering {
  /// For how long: what a message may come later by.
  static let time = Duration.milliseconds(1)
  /// How many deliveries must have come in that time.
  static let least = 8
  /// From here on, a read was worth its while anyway.
  static let enoughBytes = 65_536

  /// When what is counted began to come.
  private var begin: ContinuousClock.Instant?
  private var count = 0
  /// Until when the socket is left alone.
  private(set) var end: ContinuousClock.Instant?

  /// Notes what one read has brought.
  mutating func received(_ deliveries: Int, bytes: Int, at now: ContinuousClock.Instant) {
    guard deliveries > 0 else { return }
    if begin.map({ now - $0 >= Self.time }) ?? true {
      begin = now
      count = 0
    }
    count += deliveries
    guard count >= Self.least, bytes < Self.enoughBytes else { return }
    begin = now
    count = 0
    end = now + Self.time
  }

  /// Ends it when it is time: whether it is, so that the socket is to be read.
  mutating func isOver(_ now: ContinuousClock.Instant) -> Bool {
    guard let end, now >= end else { return false }
    self.end = nil
    return true
  }
}
