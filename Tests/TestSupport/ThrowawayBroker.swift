public import Foundation
import Synchronization

/// A real RabbitMQ node of one's own: on free ports, with its data in a directory of its own, gone
/// with the test process even if that is killed.
///
/// The node may be stopped, killed and started again; it keeps its data, ports and name.
public final class ThrowawayBroker: Sendable {
  /// What a node needs to know when it is made.
  public struct Options: Sendable {
    /// Whether to enable the management plugin (a second or two slower to start).
    public var management: Bool
    /// Whether to listen for TLS, with certificates made for this node.
    public var tls: Bool
    /// More lines for `rabbitmq.conf`.
    public var configuration: String

    /// A plain node, unless told otherwise.
    public init(management: Bool = false, tls: Bool = false, configuration: String = "") {
      self.management = management
      self.tls = tls
      self.configuration = configuration
    }
  }

  /// The directory of its data, configuration and logs.
  public let directory: URL
  /// Its Erlang name.
  public let nodeName: String
  /// The port of AMQP.
  public let port: UInt16
  /// The port of AMQP over TLS; nobody listens there without ``Options/tls``.
  public let tlsPort: UInt16
  /// The port of the management API; nobody listens there without ``Options/management``.
  public let managementPort: UInt16
  /// The certificates for ``tlsPort``.
  public let certificates: TestCertificates?

  private let guardian: NodeGuardian
  private let environment: [String: String]
  private let process = Mutex<NodeProcess?>(nil)

  /// `amqp://` with user and password `guest`.
  public var url: String { "amqp://guest:guest@127.0.0.1:\(port)" }
  /// The management API, without credentials: user and password are `guest`.
  public var managementURL: String { "http://127.0.0.1:\(managementPort)" }

  /// The one that all tests of this process share, with management and TLS. Stop or kill another
  /// one.
  public static func shared() async throws -> ThrowawayBroker {
    try TestTier.checkBrokerIsNeeded()
    return try await sharedBroker.value
  }

  private static let sharedBroker = Task {
    try await ThrowawayBroker.start(Options(management: true, tls: true))
  }

  /// Makes a node and waits until it takes connections.
  public static func start(_ options: Options = Options()) async throws -> ThrowawayBroker {
    try TestTier.checkBrokerIsNeeded()
    let broker = try await ThrowawayBroker(options)
    try await broker.start()
    return broker
  }

  /// Makes a node, hands it to `body`, and removes it whatever happens.
  public static func with<Value>(
    _ options: Options = Options(), _ body: (ThrowawayBroker) async throws -> Value
  ) async throws -> Value {
    let broker = try await start(options)
    defer { broker.remove() }
    return try await body(broker)
  }

  private init(_ options: Options) async throws {
    let id = UUID().uuidString.prefix(8).lowercased()
    directory = FileManager.default.temporaryDirectory.appending(path: "warren-broker-\(id)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    guardian = NodeGuardian(directory: directory)
    nodeName = "warren-test-\(id)@localhost"
    let ports = try FreePorts.find(4)
    (port, tlsPort, managementPort) = (ports[0], ports[1], ports[2])
    certificates = options.tls ? try await TestCertificates.make(in: directory) : nil
    let path = directory.path(percentEncoded: false)
    environment = [
      "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin:/usr/sbin:/sbin",
      "HOME": path,
      "LANG": "C.UTF-8",
      "RABBITMQ_NODENAME": nodeName,
      "RABBITMQ_DIST_PORT": String(ports[3]),
      "RABBITMQ_MNESIA_BASE": path + "/mnesia",
      "RABBITMQ_LOG_BASE": path + "/log",
      "RABBITMQ_CONFIG_FILE": path + "/rabbitmq.conf",
      "RABBITMQ_CONF_ENV_FILE": path + "/rabbitmq-env.conf",
      "RABBITMQ_ENABLED_PLUGINS_FILE": path + "/enabled_plugins",
      "RABBITMQ_PID_FILE": path + "/node.pid",
      // Many nodes and tests share few cores: spinning schedulers would starve them.
      "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
    ]
    let configuration = NodeConfiguration(
      port: port, tlsPort: tlsPort, managementPort: managementPort, options: options,
      certificates: certificates)
    try configuration.text().write(
      to: directory.appending(path: "rabbitmq.conf"), atomically: true, encoding: .utf8)
    let plugins =
      (options.management ? ["rabbitmq_management"] : [])
      + (certificates == nil ? [] : ["rabbitmq_auth_mechanism_ssl"])
    try "[\(plugins.joined(separator: ","))].".write(
      to: directory.appending(path: "enabled_plugins"), atomically: true, encoding: .utf8)
    try "".write(
      to: directory.appending(path: "rabbitmq-env.conf"), atomically: true, encoding: .utf8)
  }

  deinit {
    remove()
  }

  /// Starts the node again, after ``stop()`` or ``kill()``.
  public func start() async throws {
    let node = NodeProcess(directory: directory, environment: environment)
    process.withLock { $0 = node }
    try await node.waitUntilStarted()
  }

  /// Stops the node as an operator would, and waits for its end.
  public func stop() async throws {
    guard let node = process.withLock({ $0 }) else { return }
    try signal(SIGTERM)
    try await node.waitUntilEnded()
    process.withLock { $0 = nil }
  }

  /// Kills the node without warning, and waits for its end.
  public func kill() async throws {
    guard let node = process.withLock({ $0 }) else { return }
    node.kill()
    try await node.waitUntilEnded()
    process.withLock { $0 = nil }
  }

  /// Makes the node deaf and dumb, its connections open; when it returns, all its threads stand
  /// still.
  public func freeze() async throws {
    try signal(SIGSTOP)
    let pid = try erlangProcess()
    let stopped = try await bounded(.seconds(10)) {
      // Nothing tells when the last thread has stopped.
      while try !Self.isStopped(pid) { await Task.yield() }
      return true
    }
    guard stopped == true else { throw BrokerFailure("process \(pid) does not stop") }
  }

  /// Ends what ``freeze()`` began.
  public func thaw() throws {
    try signal(SIGCONT)
  }

  private static func isStopped(_ pid: pid_t) throws -> Bool {
    let tasks = "/proc/\(pid)/task"
    return try FileManager.default.contentsOfDirectory(atPath: tasks).allSatisfy { task in
      try String(contentsOfFile: "\(tasks)/\(task)/status", encoding: .utf8)
        .contains("State:\tT")
    }
  }

  private func signal(_ number: Int32) throws {
    let pid = try erlangProcess()
    guard Foundation.kill(pid, number) == 0 else {
      throw BrokerFailure("kill(\(pid), \(number)): error \(errno)")
    }
  }

  private func erlangProcess() throws -> pid_t {
    let text = try String(contentsOf: directory.appending(path: "node.pid"), encoding: .utf8)
    guard let pid = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)), pid > 1 else {
      throw BrokerFailure("node.pid holds no process id: \(text)")
    }
    return pid
  }

  /// Runs `rabbitmqctl` on the node. Returns what it prints; throws it if it fails.
  @discardableResult
  public func control(_ arguments: String...) async throws -> String {
    try await Tool.run(
      "/usr/lib/rabbitmq/bin/rabbitmqctl", ["--node", nodeName, "--quiet"] + arguments,
      environment: environment)
  }

  /// Kills the node, if it runs, and removes all that it had. Happens by itself at the end of the
  /// process.
  public func remove() {
    process.withLock { node in
      node?.kill()
      node = nil
    }
    guardian.finish()
  }
}
