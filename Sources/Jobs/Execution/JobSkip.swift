/// Thrown by an execution callback that found nothing to do: the job ends as `skipped`.
public struct JobSkip: Error, Hashable, CustomStringConvertible {
  public let reason: String

  public init(reason: String) {
    self.reason = reason
  }

  public var description: String { "skipped: \(reason)" }
}
