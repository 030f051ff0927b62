public import Foundation

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
