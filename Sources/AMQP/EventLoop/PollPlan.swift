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
