import Foundation
import Jobs
import Synchronization
import TestSupport
import Testing

/// A server and workers as processes of their own, started from the built `warren`, in a folder of their own. All
/// of it is gone when the test ends, passed or failed.
final class WarrenSystem: Sendable {
  let folder: URL
  let broker: ThrowawayBroker
  let api: API
  let management: ManagementAPI
  /// What the names of exchanges and queues start with.
  let prefix: String
  /// The server's SQLite file.
  let store: URL
  private let environment: [String: String]
  private let users: BrokerUsers
  let configuration: URL
  private let serve: [String]
  private let serverProcess: Mutex<ChildProcess>
  private let workers = Mutex<[ChildProcess]>([])
  private let killedWorkers = Mutex<Set<Int>>([])

  /// Where the tests' own bundle stands; `warren` is built beside it.
  static let products = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()

  /// The checkout.
  static let root = (0..<4).reduce(URL(filePath: #filePath)) { url, _ in
    url.deletingLastPathComponent()
  }

  /// As which users of the broker server and workers log in.
  struct BrokerUsers: Sendable {
    var server = "guest:guest"
    var worker = "guest:guest"
  }

  /// Stands a system up, runs `body`, and takes all of it down.
  ///
  /// - Parameters:
  ///   - configuration: the `queues`, `groups` and `types` of the config file, in YAML; `%FOLDER%` stands for the folder.
  ///   - workers: how many worker processes to start.
  ///   - ownBroker: whether to start a broker for this system alone; otherwise it shares one, under names of its own.
  ///   - serve: more arguments of `warren serve`.
  ///   - store: where the server's file is; in the folder, unless told otherwise.
  ///   - makeUsers: makes users of the broker; what it needs to keep it puts into the folder.
  static func run(
    _ configuration: String = TestJobs.configuration, workers: Int = 1, ownBroker: Bool = false,
    brokerConfiguration: String = "", heartbeat: Int? = nil, serve: [String] = [],
    store: URL? = nil,
    makeUsers: (ThrowawayBroker, URL) async throws -> BrokerUsers = { _, _ in BrokerUsers() },
    _ body: (WarrenSystem) async throws -> Void
  ) async throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "warren-test-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer {
      if ProcessInfo.processInfo.environment["WARREN_TEST_KEEP"] == nil {
        try? FileManager.default.removeItem(at: folder)
      } else {
        print("kept: \(folder.path)")
      }
    }
    let broker =
      try await ownBroker
      ? ThrowawayBroker.start(
        .init(management: true, configuration: brokerConfiguration)) : ThrowawayBroker.shared()
    defer { if ownBroker { broker.remove() } }
    let system = try WarrenSystem(
      folder: folder, broker: broker,
      prefix: ownBroker ? "jobs" : "t-\(UUID().uuidString.prefix(8).lowercased())",
      configuration: configuration, heartbeat: heartbeat,
      users: try await makeUsers(broker, folder), serve: serve,
      store: store ?? folder.appending(path: "warren.sqlite"))
    do {
      try await system.untilReady()
      for _ in 0..<workers { try await system.startWorker() }
      try await body(system)
    } catch {
      Issue.record(
        "\(error)\nserver:\n\(system.server.output.suffix(3000))\nworkers:\n\(system.workerOutput.suffix(3000))"
      )
    }
  }

  static func program(_ name: String) -> String {
    products.appending(path: name).path
  }

  private init(
    folder: URL, broker: ThrowawayBroker, prefix: String, configuration: String, heartbeat: Int?,
    users: BrokerUsers, serve: [String], store: URL
  ) throws {
    self.users = users
    self.store = store
    self.folder = folder
    self.broker = broker
    self.prefix = prefix
    self.configuration = folder.appending(path: "warren.yaml")
    try Data(configuration.replacing("%FOLDER%", with: folder.path).utf8)
      .write(to: self.configuration)
    let port = try FreePorts.find(1)[0]
    environment = [
      "WARREN_BROKER": broker.url + (heartbeat.map { "/%2F?heartbeat=\($0)" } ?? ""),
      "WARREN_PREFIX": prefix,
      "FOLDER": folder.path, "WARREN_STORE": store.path,
      "WARREN_HTTP_PORT": String(port), "WARREN_SERVER": "http://127.0.0.1:\(port)",
    ]
    api = API(base: "http://127.0.0.1:\(port)")
    management = ManagementAPI(base: broker.managementURL)
    self.serve = serve
    let server = try ChildProcess(
      Self.program("warren"), ["serve", "--config", self.configuration.path] + serve,
      environment: Self.environment(environment, as: users.server),
      log: folder.appending(path: "server.log"))
    serverProcess = Mutex(server)
  }

  private static func environment(
    _ environment: [String: String], as user: String
  ) -> [String: String] {
    environment.merging([
      "WARREN_BROKER": (environment["WARREN_BROKER"] ?? "").replacing("guest:guest", with: user)
    ]) { $1 }
  }

  var server: ChildProcess { serverProcess.withLock(\.self) }

  /// Starts the server again, after its end; waits until it is ready.
  func restartServer() async throws {
    try startServer()
    try await untilReady()
  }

  /// Starts the server again, after its end, and does not wait for it.
  func startServer() throws {
    let server = try ChildProcess(
      Self.program("warren"), ["serve", "--config", configuration.path] + serve,
      environment: Self.environment(environment, as: users.server),
      log: folder.appending(path: "server.log"))
    serverProcess.withLock { $0 = server }
  }

  func untilReady() async throws {
    try await eventually("the server is ready") {
      (try? await api.get("/readyz").status) == 200
    }
  }

  /// Starts one more worker, and waits until the server knows it.
  @discardableResult
  func startWorker(
    _ arguments: [String] = [], waiting: Bool = true
  ) async throws -> ChildProcess {
    try await startWorker(
      Self.program("warren"), ["worker", "--config", configuration.path] + arguments,
      waiting: waiting)
  }

  /// Starts a program that is a worker, and waits until the server knows it, unless told otherwise.
  @discardableResult
  func startWorker(
    _ program: String, _ arguments: [String], environment more: [String: String] = [:],
    waiting: Bool = true
  ) async throws -> ChildProcess {
    let before = waiting ? try await Set(workerIDs()) : []
    let number = workers.withLock(\.count)
    let worker = try ChildProcess(
      program, arguments,
      environment: Self.environment(environment, as: users.worker)
        .merging(["WORKER_NAME": "worker-\(number)"]) { $1 }.merging(more) { $1 },
      log: folder.appending(path: "worker-\(number).log"))
    workers.withLock { $0.append(worker) }
    guard waiting else { return worker }
    try await eventually("the worker has announced itself") {
      try await !Set(workerIDs()).isSubset(of: before)
    }
    return worker
  }

  func worker(_ number: Int) -> ChildProcess { workers.withLock { $0[number] } }

  /// Kills a worker that is not needed any more.
  func killWorker(_ number: Int) async throws {
    killedWorkers.withLock { _ = $0.insert(number) }
    try await worker(number).kill9()
  }

  /// The numbers of the workers that ``killWorker(_:)`` has not ended.
  var livingWorkers: [Int] {
    let killed = killedWorkers.withLock(\.self)
    return workers.withLock { Array($0.indices) }.filter { !killed.contains($0) }
  }

  var workerOutput: String { workers.withLock { $0.map(\.output).joined(separator: "\n") } }

  func workerIDs() async throws -> [String] {
    guard case .array(let workers) = try await api.get("/workers")["workers"] else { return [] }
    return workers.compactMap { worker in
      if case .string(let id) = worker.members?["id"] { id } else { nil }
    }
  }

  /// Runs a `warren` command to its end.
  func warren(_ arguments: String...) async throws -> (exitCode: Int32, output: String) {
    try await run(Self.program("warren"), arguments)
  }

  /// Runs a program to its end, with the system's environment.
  func run(
    _ program: String, _ arguments: [String], environment more: [String: String] = [:],
    within limit: Duration = .seconds(60)
  ) async throws -> (exitCode: Int32, output: String) {
    let log = folder.appending(path: "command-\(UUID().uuidString.prefix(8)).log")
    let process = try ChildProcess(
      program, arguments, environment: environment.merging(more) { $1 }, log: log)
    let code = try await process.exitCode(within: limit)
    return (code, process.output)
  }

  /// Type, queue and status of each job in the store, read from the file itself.
  func rows() async throws -> [String] {
    let program = """
      import sqlite3, sys
      store = sqlite3.connect(sys.argv[1])
      names = "\(StoreReading.statuses)".split()
      for type, queue, status in store.execute(
          "SELECT type.name, queue.name, status FROM job JOIN type ON type.number = job.type"
          " JOIN queue ON queue.number = job.queue ORDER BY job.id"):
          print(type, queue, names[status])
      """
    let output = try await Tool.run("/usr/bin/python3", ["-c", program, store.path])
    return output.split(separator: "\n").map(String.init)
  }

  /// Adds a line to a file in the system's folder, whoever else writes to it.
  func append(_ line: String, to name: String) throws {
    let descriptor = open(folder.appending(path: name).path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown) }
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    try file.write(contentsOf: Data("\(line)\n".utf8))
  }

  /// The lines of a file in the system's folder; none when it is not there.
  func lines(of name: String) -> [String] {
    let text = try? String(contentsOf: folder.appending(path: name), encoding: .utf8)
    return text?.split(separator: "\n").map(String.init) ?? []
  }
}
