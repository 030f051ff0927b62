/// A job queue: where the jobs of some groups wait, and how many of them one worker runs at once.
public struct JobQueue: Sendable, Hashable {
  /// What a capacity may be: a worker's prefetch is a 16-bit number on the wire (AMQP 0-9-1, basic.qos).
  public static let capacities = 1...65_535

  /// What jobs, workers and the broker call it.
  public let name: JobQueueName
  /// How many jobs of this queue one worker runs at the same time; in ``capacities``.
  public let capacity: Int

  /// - Parameters:
  ///   - name: which queue.
  ///   - capacity: taken to the nearest of ``capacities``.
  public init(name: JobQueueName, capacity: Int) {
    self.name = name
    self.capacity = min(max(capacity, Self.capacities.lowerBound), Self.capacities.upperBound)
  }

  /// The queues that exist without being declared (reference: compute, maintenance, download).
  public static let builtIn = [
    JobQueue(name: .compute, capacity: 1),
    JobQueue(name: .maintenance, capacity: 5),
    JobQueue(name: .download, capacity: 10),
  ]
}

extension JobQueue: Codable {
  private enum CodingKeys: String, CodingKey { case name, capacity }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      name: try container.decode(JobQueueName.self, forKey: .name),
      capacity: try container.decode(Int.self, forKey: .capacity))
  }
}

/// The name of a job queue.
public struct JobQueueName: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The name as text.
  public let rawValue: String

  /// What the broker's queues of Warren's own are called after their prefix.
  package static let reserved: Set = [
    "claims", "control", "dead", "events", "reports", "requests", "submit", "worker",
  ]

  /// - Throws: ``NameError`` when the text is no name (1 to 64 letters, digits, `_` and `-`), or is one that Warren uses for a queue of its own.
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
  /// What the server does by itself.
  package static let warren = JobQueueName(builtIn: "warren")
  /// What the names of other queues of the server's own begin with.
  package static let reservedPrefix = "warren-"

  /// Whether jobs of the server's own wait there, and nobody else's.
  package var isReserved: Bool {
    rawValue == Self.warren.rawValue || rawValue.hasPrefix(Self.reservedPrefix)
  }

  public static func < (lhs: JobQueueName, rhs: JobQueueName) -> Bool {
    lhs.rawValue < rhs.rawValue
  }

  public var description: String { rawValue }
}

extension JobQueueName {
  /// The name that stands in the source. One that is none ends the process: it is a slip of the author's.
  public static func named(_ text: StaticString) -> JobQueueName {
    do throws(NameError) {
      return try JobQueueName("\(text)")
    } catch {
      preconditionFailure(error.description)
    }
  }
}

extension JobQueueName: Codable {
  public init(from decoder: any Decoder) throws {
    self = try decoder.name { text throws(NameError) in try Self(text) }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }
}

/// A group of job types, which share a queue.
public struct JobGroup: Sendable, Hashable {
  /// The first part of the ids of its types.
  public let name: String
  /// The queue in which its jobs wait.
  public let queue: JobQueueName
  /// What the group is for, for people.
  public let description: String

  /// - Throws: ``NameError`` when the name is none: 1 to 64 letters, digits, `_` and `-`.
  public init(_ name: String, queue: JobQueueName, description: String = "") throws(NameError) {
    self.name = try JobName.validate(name, of: "job group")
    self.queue = queue
    self.description = description
  }
}

extension JobGroup: Codable {
  private enum CodingKeys: String, CodingKey {
    case name, description
    case queue = "queue_name"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    do {
      try self.init(
        container.decode(String.self, forKey: .name),
        queue: container.decode(JobQueueName.self, forKey: .queue),
        description: container.decode(String.self, forKey: .description))
    } catch let error as NameError {
      throw DecodingError.dataCorruptedError(
        forKey: .name, in: container, debugDescription: error.description)
    }
  }
}
