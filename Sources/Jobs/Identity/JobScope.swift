/// A name, or many: `*` stands for any characters, also for none.
public struct NamePattern: Sendable, Hashable, LosslessStringConvertible {
  /// As it was written.
  public let description: String

  /// - Returns: `nil` for what no name can match: it takes 1 to 200 of the characters that names of types and queues have, `*`
  ///   among them.
  public init?(_ description: String) {
    let isOfNames = description.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: "*:._-".utf8.contains(byte)
      }
    }
    guard isOfNames, (1...200).contains(description.utf8.count) else { return nil }
    self.description = description
  }

  /// Whether a name is meant. It takes time that grows with the length of both, at most by their product.
  public func matches(_ name: String) -> Bool { Self.matches(description, name) }

  /// Whether a text is meant by a pattern, in which `*` stands for any characters.
  package static func matches(_ pattern: String, _ name: String) -> Bool {
    let pattern = Array(pattern.utf8)
    let name = Array(name.utf8)
    var (place, at) = (0, 0)
    // Where the last star stands, and how much of the name it takes so far.
    var star: (place: Int, taken: Int)?
    while at < name.count {
      if place < pattern.count, pattern[place] == UInt8(ascii: "*") {
        star = (place, at)
        place += 1
      } else if place < pattern.count, pattern[place] == name[at] {
        place += 1
        at += 1
      } else if let last = star {
        star = (last.place, last.taken + 1)
        place = last.place + 1
        at = last.taken + 1
      } else {
        return false
      }
    }
    return pattern[place...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}

extension NamePattern: Codable {
  /// Reads a text.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let pattern = NamePattern(text) else {
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription: "a pattern takes the characters of names and *, not '\(text.prefix(100))'"
      )
    }
    self = pattern
  }

  /// Writes a text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// Which jobs of a tenant somebody sees and schedules, by their type and queue.
public struct JobScope: Sendable, Hashable {
  /// One of these has to match the type; none is any type.
  public let types: [NamePattern]
  /// One of these has to match the queue; none is any queue.
  public let queues: [NamePattern]

  /// A scope; without patterns it has all jobs.
  public init(types: [NamePattern] = [], queues: [NamePattern] = []) {
    self.types = types
    self.queues = queues
  }

  /// All jobs.
  public static let all = JobScope()

  /// Whether it has a job of that type and queue.
  public func contains(_ type: JobTypeID, in queue: JobQueueName) -> Bool {
    contains(type) && contains(queue)
  }

  /// Whether it has jobs of that type.
  public func contains(_ type: JobTypeID) -> Bool {
    types.isEmpty || Self.any(of: types, matches: type.description)
  }

  /// Whether it has jobs of that queue.
  public func contains(_ queue: JobQueueName) -> Bool {
    queues.isEmpty || Self.any(of: queues, matches: queue.rawValue)
  }

  private static func any(of patterns: [NamePattern], matches name: String) -> Bool {
    patterns.contains { $0.matches(name) }
  }
}
