/// How far a job has come.
public struct JobProgress: Sendable, Hashable {
  /// 0 to 100.
  public let percent: Double
  /// What is being done, for people; `nil` leaves what was said before.
  public let details: String?

  /// - Parameter percent: from 0; more than 100 is taken as 100.
  /// - Throws: ``ProgressError`` when `percent` is negative or no number.
  public init(_ percent: Double, _ details: String? = nil) throws(ProgressError) {
    guard percent >= 0 else { throw ProgressError(percent: percent) }
    self.percent = min(percent, 100)
    self.details = details
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      container.decode(Double.self, forKey: .percent),
      container.decodeIfPresent(String.self, forKey: .details))
  }

  private enum CodingKeys: String, CodingKey { case percent, details }
}
