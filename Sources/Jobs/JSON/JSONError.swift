/// Why bytes are not the JSON that was asked for.
public struct JSONError: Error, Hashable, CustomStringConvertible {
  /// What was wrong and where, in words.
  public let description: String

  /// - Parameter description: what was wrong and where.
  public init(_ description: String) {
    self.description = description.shortened(to: Self.longest)
  }

  /// In bytes: names and values of the JSON are part of it.
  private static let longest = 600

  /// Puts Foundation's coding errors into one sentence that names the path.
  init(decoding error: any Error) {
    self.init(Self.words(error))
  }

  private static func words(_ error: any Error) -> String {
    switch error {
    case DecodingError.dataCorrupted(let context):
      let detail = context.underlyingError.map { ": \($0)" } ?? ""
      return at(
        context.codingPath, "not valid JSON (\(context.debugDescription)\(detail))")
    case DecodingError.keyNotFound(let key, let context):
      return at(context.codingPath, "the member '\(key.stringValue)' is missing")
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      return at(context.codingPath, context.debugDescription)
    case EncodingError.invalidValue(let value, let context):
      return at(
        context.codingPath, "\(value) cannot be written as JSON: \(context.debugDescription)")
    default:
      return String(describing: error)
    }
  }

  private static func at(_ path: [any CodingKey], _ problem: String) -> String {
    path.isEmpty ? problem : "\(path.map(\.stringValue).joined(separator: ".")): \(problem)"
  }
}
