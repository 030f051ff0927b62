/// A progress that is none: negative, or no number.
public struct ProgressError: Error, CustomStringConvertible {
  /// What was given.
  public let percent: Double

  public var description: String { "\(percent) is no progress; a progress is 0 to 100" }
}
