import AsyncHTTPClient
import Foundation
import Jobs
import NIOCore
import NIOHTTP1
import TestSupport
import Testing
import Warren

extension SystemTests {
  @Suite("With the smallest rights at the broker")
  struct LeastRightsTests {
    private static let roles = ["producer", "worker", "server", "operator"]

    /// Runs `warren broker …` on a broker.
    private static func broker(
      _ broker: ThrowawayBroker, _ arguments: [String]
    ) async throws -> String {
      try await Tool.run(
        WarrenSystem.program("warren"),
        ["broker"] + arguments + ["--management", broker.managementURL])
    }

    /// The users of the definitions that come with Warren, with passwords.
    private static func makeUsers(
      _ broker: ThrowawayBroker, _ folder: URL
    ) async throws -> WarrenSystem.BrokerUsers {
      let definitions = WarrenSystem.root.appending(path: "compose/rabbitmq/definitions.json")
      try await broker.control("import_definitions", definitions.path)
      let passwords = folder.appending(path: "passwords")
      try FileManager.default.createDirectory(at: passwords, withIntermediateDirectories: false)
      let setup = ["setup", "--passwords", passwords.path]
      let first = try await Self.broker(broker, setup)
      for role in roles {
        #expect(first.contains("user \(role): set: has no password"), "\(first)")
        #expect(first.contains("permissions of \(role): right already"), "\(first)")
      }
      #expect(
        first.contains("producer: {tenants: 00000000-0000-0000-0000-000000000000}"), "\(first)")
      #expect(first.contains("worker: {worker: true}"), "\(first)")

      // What is otherwise is told, and mended; done again there is nothing to do.
      try await broker.control("set_permissions", "-p", "/", "producer", ".*", ".*", ".*")
      try await broker.control("set_user_tags", "worker", "administrator")
      await #expect(throws: (any Error).self) { try await Self.broker(broker, ["check"]) }
      let dry = try await Self.broker(broker, setup + ["--dry-run"])
      #expect(dry.contains("permissions of producer: would be set: were configure .*"), "\(dry)")
      #expect(dry.contains("user worker: would be set: has the tags administrator"), "\(dry)")
      _ = try await Self.broker(broker, setup)
      let last = try await Self.broker(broker, setup)
      #expect(!last.contains("set:"), "\(last)")
      _ = try await Self.broker(broker, ["check"])
      let service = ["--user", "service", "--role", "service"]
      _ = try await Self.broker(broker, setup + service)
      _ = try await Self.broker(broker, ["check"] + service)
      return WarrenSystem.BrokerUsers(
        server: try Self.login("server", folder), worker: try Self.login("worker", folder))
    }

    private static func login(_ user: String, _ folder: URL) throws -> String {
      let file = folder.appending(path: "passwords/\(user)")
      let password = try String(contentsOf: file, encoding: .utf8)
        .trimmingCharacters(in: .newlines)
      return "\(user):\(password)"
    }

    private static func url(_ user: String, _ system: WarrenSystem) throws -> String {
      system.broker.url.replacing("guest:guest", with: try login(user, system.folder))
    }

    @Test("server, worker, service and producers do all of their work, and are refused nothing")
    func work() async throws {
      try await WarrenSystem.run(ownBroker: true, makeUsers: Self.makeUsers) { system in
        try await producersWork(system)
        try await workersObey(system)
        try await servicesAnswer(system)
        #expect(try await system.management.messages(in: "jobs.dead").isEmpty)
        #expect(try Self.refusals(system).isEmpty)
        try await operatorWatches(system)
        try await workerComesFirst(system)
      }
    }

    /// What the broker's log says that it has refused.
    private static func refusals(_ system: WarrenSystem) throws -> [String] {
      let folder = system.broker.directory.appending(path: "log")
      var lines: [String] = []
      for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
        let path = folder.appending(path: file).path
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { continue }
        lines += text.split(separator: "\n").map(String.init).filter {
          $0.contains("access_refused") || $0.contains("ACCESS_REFUSED")
        }
      }
      return lines
    }

    /// In Swift, and in another language: jobs are submitted, asked about, watched and canceled.
    private func producersWork(_ system: WarrenSystem) async throws {
      struct Note: JobParams {
        static let job = JobDefinition("files:note")
      }
      let url = try Self.url("producer", system)
      try await JobService.connect(broker: url, prefix: system.prefix) { jobs in
        let handle = try await jobs.schedule(Note())
        _ = try await handle.result(within: .seconds(50))
        let later = try await jobs.schedule(Note(), after: .seconds(3600))
        try await later.cancel(reason: "not needed")
        try await eventually("it is canceled") { try await later.status() == .canceled }
      }
      let file = system.folder.appending(path: "text")
      try Data("hello\n".utf8).write(to: file)
      let client = try await system.run(
        try ContractTools.python,
        [
          WarrenSystem.root.appending(path: "docs/examples/clients/python-pika/jobs.py").path,
          file.path,
        ], environment: ["WARREN_BROKER": url], within: .seconds(60))
      #expect(client.exitCode == 0, "\(client.output)")
    }

    /// Commands reach a worker, it is asked what it has, and its end is known by its lease.
    private func workersObey(_ system: WarrenSystem) async throws {
      let sleeping = try await system.api.schedule("files:sleep")
      try await eventually("it runs") {
        try await system.api.get("/jobs/\(sleeping)").text("status") == "running"
      }
      #expect(try await system.api.post("/jobs/\(sleeping)/cancel").status == 202)
      #expect(try await system.api.wait(sleeping).text("status") == "canceled")

      let answer = try await system.api.schedule("files:answer", ["seconds": "3"])
      try await eventually("it runs") {
        try await system.api.get("/jobs/\(answer)").text("status") == "running"
      }
      try await system.killWorker(0)
      try await system.startWorker()
      let end = try await system.api.wait(answer)
      #expect(end.text("status") == "completed")
      #expect(end["attempt"] == 2)
    }

    /// The server has a callback called, and is answered by who may not write to the default exchange.
    private func servicesAnswer(_ system: WarrenSystem) async throws {
      try await system.startWorker(
        WarrenSystem.program("LifeWorker"), [],
        environment: ["WARREN_BROKER": try Self.url("service", system)])
      let id = try await system.api.schedule("life:steps", ["steps": 1])
      #expect(system.lines(of: "trace").first == "init \(id)")
      #expect(try await system.api.wait(id).text("status") == "completed")
    }

    private func operatorWatches(_ system: WarrenSystem) async throws {
      let login = try Self.login("operator", system.folder).split(separator: ":").map(String.init)
      func status(_ method: HTTPMethod, _ path: String, _ body: String? = nil) async throws -> UInt
      {
        var request = HTTPClientRequest(url: system.broker.managementURL + path)
        request.method = method
        request.setBasicAuth(username: login[0], password: login[1])
        if let body { request.body = .bytes(Array(body.utf8)) }
        return try await HTTPClient.shared.execute(request, timeout: .seconds(20)).status.code
      }
      for path in ["/api/overview", "/api/queues/%2F/jobs.compute", "/api/exchanges/%2F"] {
        #expect(try await status(.GET, path) == 200, "\(path)")
      }
      let get = #"{"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}"#
      #expect(try await status(.POST, "/api/queues/%2F/jobs.dead/get", get) >= 400)
      let publish =
        #"{"properties": {}, "routing_key": "", "payload": "{}", "payload_encoding": "string"}"#
      #expect(
        try await status(.POST, "/api/exchanges/%2F/jobs.submit/publish", publish) >= 400)
      #expect(try await status(.DELETE, "/api/queues/%2F/jobs.compute/contents") >= 400)
      #expect(try await status(.GET, "/api/users") >= 400)
    }

    /// It may not declare the queue that it takes jobs from, and waits for the server to do it.
    private func workerComesFirst(_ system: WarrenSystem) async throws {
      try await system.server.send(SIGTERM)
      _ = try await system.server.exitCode()
      for worker in system.livingWorkers { try await system.killWorker(worker) }
      for queue in ["jobs.compute", "jobs.submit", "jobs.reports"] {
        try await system.management.delete("/api/queues/%2F/\(queue)")
      }
      let worker = try await system.startWorker(waiting: false)
      try await eventually("it says what it lacks") {
        worker.output.contains("declare queue jobs.compute")
      }
      try await system.restartServer()
      let id = try await system.api.schedule("files:note")
      #expect(try await system.api.wait(id).text("status") == "completed")
    }
  }
}
