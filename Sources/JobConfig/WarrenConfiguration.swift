import Foundation
package import Jobs
package import Logging

/// All that one deployment of Warren is told: a YAML file, whose every scalar the environment overrides.
///
/// The variable of a setting is `WARREN_` and its path, in upper case, with `_` between the parts and in place of `-`:
/// `http.port` is `WARREN_HTTP_PORT`, the capacity of the queue `compute` is `WARREN_QUEUES_COMPUTE_CAPACITY`, and a type
/// goes by its group and its name, as in `WARREN_TYPES_FILES_CHECKSUM_TIMEOUT`. What is a list or free of form (`command`,
/// `params` and `environment` of a type) stands in the file alone, and so do names.
package struct WarrenConfiguration: Sendable {
  package var broker = BrokerAddress.standard
  /// Whether a worker's messages name the broker's user that it logs in as.
  package var identifies = false
  /// Who may say what to the server over the broker.
  package var access = BrokerAccess()
  /// What the names of all exchanges and queues start with.
  package var prefix = "jobs"
  /// The path of the SQLite file.
  package var store = "./warren.sqlite"
  package var http = HTTPSettings()
  package var server = ServerSettings()
  /// How long the server keeps jobs that have ended.
  package var retention = RetentionPolicy()
  /// What each tenant may have of jobs.
  package var quotas = TenantQuotas()
  package var worker = WorkerSettings()
  /// From which level on log lines are written.
  package var logLevel = Logger.Level.info
  /// The built-in queues and those of the file, in the order of their names.
  package var queues = JobQueue.builtIn.sorted { $0.name < $1.name }
  /// In the order of their names.
  package var groups: [JobGroup] = []
  /// In the order of the file.
  package var types: [CommandTypeConfiguration] = []
  /// Who is told over HTTP of the ends of jobs, in the order of the file.
  package var webhooks: [WebhookEndpoint] = []
  /// What may be a slip, and does not keep the configuration from being used.
  package var warnings: [ConfigurationProblem] = []

  /// The defaults of every setting.
  package init() {}
}

extension WarrenConfiguration: CustomStringConvertible {
  /// A summary for people, without secrets: no password of the broker's, no environment of a program's.
  package var description: String {
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

extension WarrenConfiguration {
  /// The largest file that is read, in bytes.
  package static let maximumFileSize = 1 << 20

  /// Reads a configuration file, with the environment's overrides.
  ///
  /// - Parameters:
  ///   - path: the YAML file; `nil` takes the defaults and the environment.
  ///   - environment: the process's variables. One of `WARREN_…` that nothing reads is a problem, as a key is that there
  ///     is not.
  ///   - checks: what others have to say about the broker's URL and the commands.
  /// - Throws: ``ConfigurationError`` with everything that is wrong.
  package static func load(
    path: String?, environment: [String: String],
    checks: ConfigurationChecks = ConfigurationChecks()
  ) throws(ConfigurationError) -> WarrenConfiguration {
    guard let path else {
      return try parse("", file: "", environment: environment, checks: checks)
    }
    return try parse(
      try text(of: path, limit: maximumFileSize, calling: "the file"), file: path,
      environment: environment, checks: checks)
  }

  /// Reads a configuration from the text of a file; otherwise as ``load(path:environment:checks:)``.
  ///
  /// - Parameter file: what messages call the file.
  package static func parse(
    _ text: String, file: String, environment: [String: String],
    checks: ConfigurationChecks = ConfigurationChecks()
  ) throws(ConfigurationError) -> WarrenConfiguration {
    let document = try YAMLDocument.parse(text, file: file)
    var reader = SettingReader(file: file, environment: environment)
    var configuration = reader.configuration(document, checks: checks)
    reader.checkVariables()
    guard reader.problems.isEmpty else { throw ConfigurationError(problems: reader.problems) }
    configuration.warnings = reader.warnings
    return configuration
  }

  /// The text of a file.
  ///
  /// - Parameters:
  ///   - limit: how many bytes it may have.
  ///   - name: what messages call it.
  static func text(
    of path: String, limit: Int, calling name: String
  ) throws(ConfigurationError) -> String {
    let bytes: Data
    do {
      let handle = try FileHandle(forReadingFrom: URL(filePath: path))
      defer { try? handle.close() }
      // One byte more than allowed tells a file that is too large, whatever its kind.
      bytes = try handle.read(upToCount: limit + 1) ?? Data()
    } catch {
      throw ConfigurationError(file: path, "\(name) cannot be read: \(reason(error))")
    }
    guard bytes.count <= limit else {
      throw ConfigurationError(file: path, "\(name) has more than \(limit) bytes")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ConfigurationError(file: path, "\(name) is not UTF-8 text")
    }
    return text
  }

  /// What the system says of a file, without Foundation's wrapping.
  private static func reason(_ error: any Error) -> String {
    if let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError,
      underlying.domain == NSPOSIXErrorDomain
    {
      return String(cString: strerror(Int32(clamping: underlying.code)))
    }
    return (error as NSError).localizedDescription
  }
}

/// What is checked of a configuration by those who use it: this module knows neither AMQP URLs nor command templates.
/// Each check answers with what is wrong, in words; what it says is reported at the setting's place in the file.
package struct ConfigurationChecks: Sendable {
  /// The broker's URL.
  package var broker: @Sendable (_ url: String) -> [String]
  /// A type's command, with its params that are known by name, each with its default or `null`.
  package var command: @Sendable (_ command: [String], _ params: JSONValue) -> [String]
  /// What stands in a command's braces like a param's name and is none of these: those that look like one
  /// misspelt make a warning.
  package var undeclared: @Sendable (_ command: [String], _ params: JSONValue) -> [String]

  package init(
    broker: @escaping @Sendable (_ url: String) -> [String] = { _ in [] },
    command: @escaping @Sendable (_ command: [String], _ params: JSONValue) -> [String] = { _, _ in
      []
    },
    undeclared: @escaping @Sendable (_ command: [String], _ params: JSONValue) -> [String] = {
      _, _ in []
    }
  ) {
    self.broker = broker
    self.command = command
    self.undeclared = undeclared
  }
}
