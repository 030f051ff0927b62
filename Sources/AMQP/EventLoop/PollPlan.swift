/// What an event loop waits for before its next turn.
struct PollPlan: Sendable {
  /// The socket to watch for input; `nil` while there is none.
  var descriptor: Int32?
  /// Whether to wake, too, when the socket takes output.
  var wantsWrite = false
  /// When to wake at the latest.
  var deadline: ContinuousClock.Instant?
  /// Whether to come back at once, since work is left.
  var immediately = false
  /// Whether the thread may end if no job is queued: nothing is connected, and nothing waits for
  /// its time.
  var idle = true
}
