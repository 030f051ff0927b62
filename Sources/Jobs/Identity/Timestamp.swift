import Foundation

/// A moment in Unix time, in milliseconds: the unit of every time that Warren stores or sends.
public struct Timestamp: Sendable, Hashable, Comparable {
  /// Milliseconds since 1970-01-01T00:00:00Z.
  public let milliseconds: Int64

  /// - Parameter milliseconds: since 1970-01-01, UTC.
  public init(milliseconds: Int64) {
    self.milliseconds = milliseconds
  }

  /// The system clock's time.
  public static var now: Timestamp {
    Timestamp(milliseconds: Int64((Date.now.timeIntervalSince1970 * 1000).rounded(.down)))
  }

  public static func < (lhs: Timestamp, rhs: Timestamp) -> Bool {
    lhs.milliseconds < rhs.milliseconds
  }

  /// The moment that lies `duration` after this one, to the millisecond, at most the end of time.
  public static func + (moment: Timestamp, duration: Duration) -> Timestamp {
    let (sum, overflow) = moment.milliseconds.addingReportingOverflow(duration.milliseconds)
    return Timestamp(milliseconds: overflow ? (duration < .zero ? .min : .max) : sum)
  }

  /// The time from `earlier` to `later`, negative when they are in the other order.
  public static func - (later: Timestamp, earlier: Timestamp) -> Duration {
    let (difference, overflow) = later.milliseconds.subtractingReportingOverflow(
      earlier.milliseconds)
    return .milliseconds(overflow ? (later < earlier ? Int64.min : .max) : difference)
  }
}

extension Timestamp: Codable {
  public init(from decoder: any Decoder) throws {
    milliseconds = try decoder.singleValueContainer().decode(Int64.self)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(milliseconds)
  }
}

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
