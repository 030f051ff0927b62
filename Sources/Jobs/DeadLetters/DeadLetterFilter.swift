/// Which dead letters are meant, within a tenant. What is left out excludes nothing.
public struct DeadLetterFilter: Sendable, Hashable {
  /// Only those in this state.
  public var state: DeadLetterState?
  /// Only those that were refused for this.
  public var reason: String?
  /// Only those that name this job type.
  public var type: String?
  /// Only those of this job queue, or found in this queue of the broker.
  public var queue: String?
  /// Only those with a violation there: a JSON pointer into the params.
  public var pointer: String?
  /// Only those that came then or later.
  public var since: Timestamp?
  /// Only those that came earlier than that.
  public var until: Timestamp?

  /// A filter; what is left out excludes nothing.
  public init(
    state: DeadLetterState? = nil, reason: String? = nil, type: String? = nil,
    queue: String? = nil, pointer: String? = nil, since: Timestamp? = nil, until: Timestamp? = nil
  ) {
    self.state = state
    self.reason = reason
    self.type = type
    self.queue = queue
    self.pointer = pointer
    self.since = since
    self.until = until
  }

  /// Whether it excludes nothing.
  public var isEmpty: Bool { self == DeadLetterFilter() }

  /// What it excludes, in short.
  package var summary: String {
    let parts: [(String, String?)] = [
      ("state", state?.rawValue), ("reason", reason), ("type", type), ("queue", queue),
      ("pointer", pointer), ("since", since.map { "\($0.milliseconds)" }),
      ("until", until.map { "\($0.milliseconds)" }),
    ]
    let given = parts.compactMap { name, value in value.map { "\(name)=\($0)" } }
    return given.isEmpty ? "any" : given.joined(separator: ", ")
  }

  /// Whether a letter is meant.
  package func matches(_ letter: DeadLetterRecord) -> Bool {
    (state == nil || state == letter.state) && (reason == nil || reason == letter.reason)
      && (type == nil || type == letter.type)
      && (queue == nil || queue == letter.queue || queue == letter.foundIn)
      && (pointer == nil || letter.errors.contains { $0.pointer == pointer })
      && (since.map { $0 <= letter.arrivedAt } ?? true)
      && (until.map { letter.arrivedAt < $0 } ?? true)
  }
}

extension DeadLetterFilter: Codable {
  private enum CodingKeys: String, CodingKey {
    case state, reason, type, queue, pointer, since, until
  }
}
