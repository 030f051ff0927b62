import Foundation
import JobConfig
import Jobs
import NIOCore
import NIOPosix

/// Where a benchmark's server and worker live: which broker, which names there, which store, which folder.
struct BenchSite: Sendable {
  let broker: BrokerAddress
  let prefix: String
  /// The SQLite file.
  let store: URL
  /// Holds the configuration and the store, unless they are the operator's own. Removed in the end.
  let folder: URL
  /// Whether prefix and store are the operator's own, and stay as they are in the end.
  let isKept: Bool
  private let configuration: String?

  /// Names and a store that nobody has used before.
  ///
  /// - Parameter parent: the folder in which they are to be: the store is as fast as the disk that it is on.
  static func throwaway(_ configuration: WarrenConfiguration, in parent: URL) -> BenchSite {
    let name = "bench-\(UUID().uuidString.prefix(8).lowercased())"
    let folder = parent.appending(path: "warren-\(name)")
    return BenchSite(
      broker: configuration.broker, prefix: name,
      store: folder.appending(path: "warren.sqlite"), folder: folder, isKept: false,
      configuration: nil)
  }

  /// The names and the store of the configuration.
  ///
  /// - Parameter file: that the configuration was read from, if any.
  static func configured(
    _ configuration: WarrenConfiguration, file: String?, in parent: URL
  ) -> BenchSite {
    let name = "warren-bench-\(UUID().uuidString.prefix(8).lowercased())"
    return BenchSite(
      broker: configuration.broker, prefix: configuration.prefix,
      store: URL(filePath: configuration.store), folder: parent.appending(path: name),
      isKept: true, configuration: file)
  }

  /// Makes the folder, readable for this user alone, if anything is to be in it. The one around it has to be there.
  func create() throws {
    guard !isKept else { return }
    try FileManager.default.createDirectory(
      at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
  }

  func remove() throws {
    guard FileManager.default.fileExists(atPath: folder.path) else { return }
    try FileManager.default.removeItem(at: folder)
  }

  /// A port of this machine that nobody listens on. Somebody else may come first; the server says so then.
  static func freePort() async throws -> Int {
    let probe = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0).get()
    let port = probe.localAddress?.port
    try await probe.close()
    guard let port else { throw BenchError.unexpected("the system gives no port") }
    return port
  }

  /// What `warren serve` and the worker are called with.
  ///
  /// - Parameter port: where the API is to listen.
  func launch(port: Int) throws -> (arguments: [String], environment: [String: String]) {
    let inherited = ProcessInfo.processInfo.environment
    let own = [
      "WARREN_HTTP_HOST": "127.0.0.1", "WARREN_HTTP_PORT": String(port),
      "WARREN_LOG_LEVEL": "warning",
    ]
    if isKept {
      return (configuration.map { ["--config", $0] } ?? [], inherited.merging(own) { $1 })
    }
    let file = folder.appending(path: "warren.yaml")
    // Texts of JSON are texts of YAML.
    let text = """
      broker: \(JSONValue.string(broker.url).text)
      prefix: \(prefix)
      store: \(JSONValue.string(store.path).text)
      http: {host: 127.0.0.1, port: \(port)}
      log_level: warning

      """
    guard
      FileManager.default.createFile(
        atPath: file.path, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
    else { throw BenchError.unexpected("\(file.path) cannot be written") }
    return (["--config", file.path], inherited.filter { !$0.key.hasPrefix("WARREN_") })
  }
}
