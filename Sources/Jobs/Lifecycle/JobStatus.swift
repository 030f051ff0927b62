/// The thirteen statuses of a job, with the reference's raw strings.
public enum JobStatus: String, Sendable, Hashable, Codable, CaseIterable {
  // Before it runs.
  case initializing
  case waiting
  case resuming
  // While it runs: some worker has it.
  case running
  case canceling
  case suspending
  case locked
  // In between: no worker has it, and none is given it.
  case suspended
  // The end: immutable.
  case skipped
  case canceled
  case failed
  case timedOut = "timeout"
  case completed

  /// Whether nothing ever happens to the job any more.
  public var isFinal: Bool {
    switch self {
    case .skipped, .canceled, .failed, .timedOut, .completed: true
    case .initializing, .waiting, .resuming, .running, .canceling, .suspending, .locked, .suspended:
      false
    }
  }

  /// Whether nothing happens to the job by itself: where waiting for a job ends.
  public var isAtRest: Bool { isFinal || self == .suspended }

  /// Whether a worker has the job.
  package var isHeld: Bool {
    switch self {
    case .running, .canceling, .suspending, .locked: true
    case .initializing, .waiting, .resuming, .suspended, .skipped, .canceled, .failed, .timedOut,
      .completed:
      false
    }
  }

  /// Whether the job may be deleted; a held or a resuming one may not.
  package var isDeletable: Bool {
    switch self {
    case .initializing, .waiting, .suspended: true
    case .resuming, .running, .canceling, .suspending, .locked: false
    case .skipped, .canceled, .failed, .timedOut, .completed: true
    }
  }

  /// The statuses that this one may become (the table of the job lifecycle).
  package var successors: Set<JobStatus> {
    switch self {
    case .initializing: [.waiting, .suspended, .canceled, .failed]
    case .waiting: [.running, .suspended, .canceled, .failed, .skipped]
    case .running:
      [.completed, .failed, .timedOut, .skipped, .locked, .canceling, .suspending, .waiting]
    case .locked: [.running, .canceling, .suspending, .failed, .timedOut, .waiting]
    case .canceling: [.canceled, .completed, .failed, .timedOut, .skipped]
    case .suspending: [.suspended, .canceling, .completed, .failed, .timedOut, .skipped]
    case .suspended: [.resuming, .canceled]
    case .resuming: [.waiting, .canceled, .failed]
    case .skipped, .canceled, .failed, .timedOut, .completed: []
    }
  }
}

/// What is to be done about a wish to move a job from one status to another.
package enum StatusTransition: Sendable, Hashable {
  /// Do it.
  case apply
  /// Do nothing: it is there already, or the wish has become pointless.
  case ignore
  /// Refuse.
  case reject(StatusTransitionError)

  /// Decides; a function of nothing but the two statuses.
  package init(from current: JobStatus, to desired: JobStatus) {
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

/// A status that a job cannot go to from where it is.
public struct StatusTransitionError: Error, Hashable, CustomStringConvertible {
  /// The status that the job has.
  public let from: JobStatus
  /// The status that it was to take.
  public let to: JobStatus

  package init(from: JobStatus, to: JobStatus) {
    self.from = from
    self.to = to
  }

  public var description: String {
    let possible =
      from.isFinal
      ? "it is final"
      : "from there it may become "
        + from.successors.map(\.rawValue).sorted().joined(separator: ", ")
    return "a job that is \(from.rawValue) cannot become \(to.rawValue); \(possible)"
  }
}
