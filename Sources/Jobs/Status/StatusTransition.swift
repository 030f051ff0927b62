/// What is to be done about a wish to move a job from one status to another.
public enum StatusTransition: Sendable, Hashable {
  /// Do it.
  case apply
  /// Do nothing: it is there already, or the wish has become pointless.
  case ignore
  /// Refuse.
  case reject(StatusTransitionError)

  /// Decides; a function of nothing but the two statuses.
  public init(from current: JobStatus, to desired: JobStatus) {
    if current == desired {
      self = .ignore
    } else if current.successors.contains(desired) {
      self = .apply
    } else if Self.isPointless(from: current, to: desired) {
      self = .ignore
    } else {
      self = .reject(StatusTransitionError(from: current, to: desired))
    }
  }

  private static func isPointless(from current: JobStatus, to desired: JobStatus) -> Bool {
    switch (desired, current) {
    case (.canceling, _): current.isFinal
    case (.resuming, .initializing), (.resuming, .waiting), (.resuming, .running),
      (.resuming, .locked):
      true
    default: false
    }
  }
}
