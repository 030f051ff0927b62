/// Whose work an ``EventLoop`` does.
protocol EventLoopOwner: AnyObject, Sendable {
  /// Called on the loop's thread between jobs and polls: deals with what the poll found, says what
  /// to wait for next.
  func turn(_ readiness: Readiness) -> PollPlan
}
