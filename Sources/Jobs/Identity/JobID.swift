public import Foundation

/// The identity of a job: a UUID, version 7 when Warren makes it, so that ids sort by the time of their making.
public struct JobID: Sendable, Hashable, Comparable {
  /// The same as a UUID.
  public let uuid: UUID

  /// The id with this UUID.
  public init(_ uuid: UUID) {
    self.uuid = uuid
  }

  /// A new id.
  public init() {
    self.init(UUID.version7())
  }

  public static func < (lhs: JobID, rhs: JobID) -> Bool {
    lhs.uuid < rhs.uuid
  }
}

extension JobID: LosslessStringConvertible {
  /// Reads the usual 36 characters, in either case; anything else is `nil`.
  public init?(_ text: String) {
    guard let uuid = UUID(uuidString: text) else { return nil }
    self.init(uuid)
  }

  /// The usual 36 characters, in lower case.
  public var description: String { uuid.uuidString.lowercased() }
}

extension JobID: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let id = JobID(text) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "'\(text)' is no job id; a job id is a UUID")
    }
    self = id
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// The identity of one worker process: made anew at each start, so that it never names two processes.
///
/// It is part of the name of the worker's control queue.
public struct WorkerID: Sendable, Hashable, RawRepresentable, CustomStringConvertible {
  /// As it stands in queue names and messages.
  public let rawValue: String

  /// Takes an id as it came from elsewhere; what is no id of a worker simply names none.
  public init(rawValue: String) {
    self.rawValue = rawValue
  }

  /// A new id, which starts with the host's name so that people recognise it.
  public init(host: String = ProcessInfo.processInfo.hostName) {
    let label = host.prefix { $0 != "." }.filter {
      $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-")
    }
    let random = UInt64.random(in: .min ... .max)
    let digits = String(random, radix: 16)
    rawValue = "\(label.isEmpty ? "worker" : label.prefix(32))-\(digits)"
  }

  public var description: String { rawValue }
}

extension WorkerID: Codable {
  public init(from decoder: any Decoder) throws {
    rawValue = try decoder.singleValueContainer().decode(String.self)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }
}

extension UUID {
  /// The UUID of zeros: the tenant and the user of whoever names none.
  public static let zero = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))

  /// A UUID whose first 48 bits are the Unix time in milliseconds and the rest is random (RFC 9562, section 5.7).
  public static func version7(at time: Timestamp = .now) -> UUID {
    var generator = SystemRandomNumberGenerator()
    return version7(at: time, using: &generator)
  }

  static func version7(at time: Timestamp, using generator: inout some RandomNumberGenerator)
    -> UUID
  {
    let milliseconds = UInt64(clamping: time.milliseconds)
    let high = generator.next() as UInt64
    let low = generator.next() as UInt64
    func byte(_ value: UInt64, _ index: UInt64) -> UInt8 {
      UInt8(truncatingIfNeeded: value >> (index * 8))
    }
    return UUID(
      uuid: (
        byte(milliseconds, 5), byte(milliseconds, 4), byte(milliseconds, 3),
        byte(milliseconds, 2), byte(milliseconds, 1), byte(milliseconds, 0),
        0x70 | (byte(high, 0) & 0x0F), byte(high, 1),
        0x80 | (byte(low, 0) & 0x3F), byte(low, 1), byte(low, 2), byte(low, 3),
        byte(low, 4), byte(low, 5), byte(low, 6), byte(low, 7)
      ))
  }
}
