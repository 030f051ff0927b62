public import Jobs
public import Logging

/// All that one deployment of Warren is told: a YAML file, whose every scalar the environment overrides.
///
/// The variable of a setting is `WARREN_` and its path, in upper case, with `_` between the parts and in place of `-`:
/// `http.port` is `WARREN_HTTP_PORT`, the capacity of the queue `compute` is `WARREN_QUEUES_COMPUTE_CAPACITY`, and a type
/// goes by its group and its name, as in `WARREN_TYPES_FILES_CHECKSUM_TIMEOUT`. What is a list or free of form (`command`,
/// `params` and `environment` of a type) stands in the file alone, and so do names.
public struct WarrenConfiguration: Sendable {
  public var broker = BrokerAddress.standard
  /// What the names of all exchanges and queues start with.
  public var prefix = "jobs"
  /// The path of the SQLite file.
  public var store = "./warren.sqlite"
  public var http = HTTPSettings()
  public var server = ServerSettings()
  /// How long the server keeps jobs that have ended.
  public var retention = RetentionPolicy()
  public var worker = WorkerSettings()
  /// From which level on log lines are written.
  public var logLevel = Logger.Level.info
  /// The built-in queues and those of the file, in the order of their names.
  public var queues = JobQueue.builtIn.sorted { $0.name < $1.name }
  /// In the order of their names.
  public var groups: [JobGroup] = []
  /// In the order of the file.
  public var types: [CommandTypeConfiguration] = []
  /// What may be a slip, and does not keep the configuration from being used.
  public var warnings: [ConfigurationProblem] = []

  /// The defaults of every setting.
  public init() {}
}

extension WarrenConfiguration: CustomStringConvertible {
  /// A summary for people, without secrets: no password of the broker's, no environment of a program's.
  public var description: String {
    """
    broker \(broker), prefix \(prefix), store \(store), http \(http.host):\(http.port), \
    queues \(queues.map { "\($0.name) \($0.capacity)" }.joined(separator: ", ")), \
    groups \(Self.list(groups.map(\.name))), \
    types \(Self.list(types.map(\.description.id.description)))
    """
  }

  private static func list(_ names: [String]) -> String {
    names.isEmpty ? "none" : names.joined(separator: ", ")
  }
}
