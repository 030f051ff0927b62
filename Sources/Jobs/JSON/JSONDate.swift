import Foundation

/// How dates stand in params, results and snapshots: RFC 3339 in UTC, to the millisecond, as other languages write them. Foundation
/// by itself would write the seconds since 2001.
enum JSONDate {
  private static let withFraction = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
  private static let whole = Date.ISO8601FormatStyle()

  static func text(_ date: Date) -> String { date.formatted(withFraction) }

  /// With and without a fraction of a second, in any zone: all that the schema of a date takes.
  static func date(_ text: String) -> Date? {
    // The one or the other: which, the text tells.
    let style = text.contains(".") ? withFraction : whole
    if let date = try? style.parse(text) { return date }
    // Leap seconds, and small letters.
    return RFC3339.seconds(of: text).map { Date(timeIntervalSince1970: $0) }
  }

  static func encode(_ date: Date, _ encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text(date))
  }

  static func decode(_ decoder: any Decoder) throws -> Date {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let date = date(text) else {
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription: "'\(text.shortened(to: 100))' is no date; one is written as in"
          + " 2026-07-01T12:00:00Z")
    }
    return date
  }
}

extension JSONEncoder {
  /// For what authors of jobs define: params, results, snapshots.
  static func payload() -> JSONEncoder {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .custom(JSONDate.encode)
    return encoder
  }
}

extension JSONDecoder {
  /// For what authors of jobs define: params, results, snapshots.
  static func payload() -> JSONDecoder {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .custom(JSONDate.decode)
    return decoder
  }
}
