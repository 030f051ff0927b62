extension Duration {
  /// Whole milliseconds, rounded towards zero, at most what fits.
  public var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
    guard !overflow else { return seconds < 0 ? .min : .max }
    let (sum, carried) = product.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
    return carried ? (seconds < 0 ? .min : .max) : sum
  }

  /// Seconds, with their fraction.
  public var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) / 1e18
  }

  /// The longest duration that Warren takes anywhere: 100 years of 365 days.
  public static let longest = Duration.seconds(100 * 365 * 86_400)

  /// A duration of so many seconds, from outside: `nil` unless it is a number between 0 and ``longest``.
  public init?(checkedSeconds seconds: Double) {
    guard seconds >= 0, seconds <= Self.longest.seconds else { return nil }
    self = .milliseconds(Int64((seconds * 1000).rounded()))
  }
}
