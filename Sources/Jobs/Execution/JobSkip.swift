/// Thrown by an execution callback that found nothing to do: the job ends as `skipped`.
public struct JobSkip: Error, Hashable, CustomStringConvertible {
  /// Why, for people; it becomes the job's details.
  public let reason: String

  /// To be thrown; ``JobContext/skip(_:)`` makes one too.
  public init(reason: String) {
    self.reason = reason
  }

  public var description: String { "skipped: \(reason)" }
}
