/// The name of a job queue.
public struct JobQueueName: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The name as text.
  public let rawValue: String

  /// What the broker's queues of Warren's own are called after their prefix.
  static let reserved: Set = [
    "claims", "control", "dead", "events", "reports", "submit", "worker",
  ]

  /// - Throws: ``NameError`` when the text is no ``JobName``, or is one that Warren uses for a queue of its own.
  public init(_ name: String) throws(NameError) {
    rawValue = try JobName.validate(name, of: "job queue")
    guard !Self.reserved.contains(name) else {
      throw NameError("'\(name)' is the name of a queue of Warren's own; choose another one")
    }
  }

  private init(builtIn: StaticString) {
    rawValue = "\(builtIn)"
  }

  /// Work for the processor.
  public static let compute = JobQueueName(builtIn: "compute")
  /// Housekeeping.
  public static let maintenance = JobQueueName(builtIn: "maintenance")
  /// Work that waits for the network.
  public static let download = JobQueueName(builtIn: "download")

  public static func < (lhs: JobQueueName, rhs: JobQueueName) -> Bool {
    lhs.rawValue < rhs.rawValue
  }

  public var description: String { rawValue }
}

extension JobQueueName: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    do {
      try self.init(container.decode(String.self))
    } catch let error as NameError {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }
}
