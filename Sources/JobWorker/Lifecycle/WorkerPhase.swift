/// Where a worker is in its life. It only goes forward.
enum WorkerPhase: Int, Sendable, Hashable, Comparable {
  case working
  /// Takes no more jobs; those that run may end.
  case draining
  /// What still runs is told to end and is given back.
  case givingBack
  /// Nothing is waited for any longer.
  case leaving

  static func < (lhs: WorkerPhase, rhs: WorkerPhase) -> Bool { lhs.rawValue < rhs.rawValue }

  /// What comes after it.
  var next: WorkerPhase { WorkerPhase(rawValue: rawValue + 1) ?? .leaving }
}
