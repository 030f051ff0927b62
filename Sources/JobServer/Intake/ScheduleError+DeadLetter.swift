extension ScheduleError {
  /// The value of a dead letter's reason header.
  var deadLetterReason: String {
    switch self {
    case .unknownType: "unknown-type"
    case .invalidParams: "invalid-params"
    case .conflict: "conflict"
    case .deleted: "deleted"
    case .refused: "refused"
    case .nobody, .noAnswer: "no-worker"
    case .store: "store"
    }
  }
}
