/// A status that a job cannot go to from where it is.
public struct StatusTransitionError: Error, Hashable, CustomStringConvertible {
  /// The status that the job has.
  public let from: JobStatus
  /// The status that it was to take.
  public let to: JobStatus

  public init(from: JobStatus, to: JobStatus) {
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
