/// In which order jobs are listed: by a field, and jobs that are equal in it by when they came into the store.
public struct JobOrder: Sendable, Hashable, LosslessStringConvertible {
  /// What jobs can be ordered by, with the names that the API gives these fields.
  public enum Field: String, Sendable, Hashable, CaseIterable {
    case id
    case createdAt = "created_at"
    case scheduledAt = "scheduled_at"
    case updatedAt = "updated_at"
    /// Jobs that have not started come before all others.
    case startedAt = "started_at"
    /// By the status's name; within one status by `scheduled_at`.
    case status
    case type
    case queue
  }

  public let field: Field
  public let isDescending: Bool

  public init(_ field: Field, descending: Bool = false) {
    self.field = field
    self.isDescending = descending
  }

  /// Reads an order as the API writes it, `scheduled_at` or, descending, `-scheduled_at`; anything else is `nil`.
  public init?(_ text: String) {
    let isDescending = text.hasPrefix("-")
    guard let field = Field(rawValue: String(text.dropFirst(isDescending ? 1 : 0))) else {
      return nil
    }
    self.init(field, descending: isDescending)
  }

  /// As the API writes it.
  public var description: String { (isDescending ? "-" : "") + field.rawValue }

  /// What is scheduled last comes first.
  public static let standard = JobOrder(.scheduledAt, descending: true)

  /// The names of the fields, for error messages.
  public static let fieldNames = Field.allCases.map(\.rawValue)
}
