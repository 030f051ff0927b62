package import Jobs

/// What a user of the broker is there for, and the smallest rights with which it does that.
///
/// Shared exchanges and queues are the server's to declare. Nobody else may write to the default exchange, which leads to every
/// queue; what the others declare is theirs alone, by the beginning of its name, and lasts as long as they do.
package enum BrokerRole: String, Sendable, CaseIterable {
  /// Submits and cancels jobs, asks about them, and is answered.
  case producer
  /// Runs jobs.
  case worker
  /// Both: a service whose jobs schedule others.
  case service
  /// Warren's server.
  case server
  /// Watches in the management UI.
  case `operator`

  /// The rights in a virtual host.
  ///
  /// - Parameter queues: the job queues whose jobs a worker may run; `nil` stands for all.
  package func permissions(
    _ names: TransportNames, queues: [JobQueueName]? = nil
  ) -> BrokerPermissions {
    let prefix = names.prefix
    let replies = "to-\(prefix)-.+"
    switch self {
    case .producer:
      return BrokerPermissions(
        configure: [replies], write: [#"\#(prefix)\.(submit|requests)"#], read: [replies])
    case .worker:
      let own = #"\#(prefix)\.(worker|lease)\..+"#
      return BrokerPermissions(
        configure: [own],
        // A queue that is bound has to be written to.
        write: [#"\#(prefix)\.(claims|reports|control\.answers|control\.leases)"#, own],
        read: [#"\#(prefix)\.(control|control\.leases|\#(Self.pattern(queues)))"#, own])
    case .service:
      return Self.producer.permissions(names)
        .merged(Self.worker.permissions(names, queues: queues))
    case .server:
      let own = #"\#(prefix)(\..+)?"#
      return BrokerPermissions(configure: [own], write: [own, #"amq\.default"#], read: [own])
    case .operator:
      return BrokerPermissions()
    }
  }

  /// What it may do with the routing keys of `jobs.events`, should it ever come to read or write there.
  package func topicPermissions(_ names: TransportNames) -> BrokerPermissions? {
    switch self {
    case .producer, .worker, .service: BrokerPermissions()
    case .server: BrokerPermissions(write: [#"[a-z]+\.[^.]+\.[^.]+\..+"#])
    case .operator: nil
    }
  }

  /// What the management API lets it do.
  package var tags: [String] { self == .operator ? ["management"] : [] }

  /// The job queues; all names that are none of Warren's own where none is named.
  private static func pattern(_ queues: [JobQueueName]?) -> String {
    if let queues { return queues.map(\.rawValue).joined(separator: "|") }
    let reserved = JobQueueName.reserved.sorted().joined(separator: "|")
    let own = "\(JobQueueName.warren.rawValue)|\(JobQueueName.reservedPrefix).*"
    return "(?!(\(reserved)|\(own))$)[A-Za-z0-9_-]+"
  }
}

/// For which names a user may configure, write and read: regular expressions, as RabbitMQ has them.
package struct BrokerPermissions: Sendable, Hashable {
  private let parts: [[String]]

  /// - Parameter configure: patterns of whole names, as the others; none stands for no name.
  init(configure: [String] = [], write: [String] = [], read: [String] = []) {
    parts = [configure, write, read]
  }

  fileprivate func merged(_ other: Self) -> Self {
    let all = zip(parts, other.parts).map { $0 + $1 }
    return Self(configure: all[0], write: all[1], read: all[2])
  }

  package var configure: String { Self.expression(parts[0]) }
  package var write: String { Self.expression(parts[1]) }
  package var read: String { Self.expression(parts[2]) }

  private static func expression(_ patterns: [String]) -> String {
    switch patterns.count {
    case 0: "^$"
    case 1: "^\(patterns[0])$"
    default: "^(\(patterns.joined(separator: "|")))$"
    }
  }
}
