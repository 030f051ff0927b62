import Foundation
import Jobs
import TestSupport
import Testing

extension SystemTests {
  /// The programs in docs/examples/clients, as their users run them.
  @Suite("Clients in other languages")
  struct ForeignClientTests {
    private struct Client {
      let name: String
      let program: String
      let arguments: [String]
      var environment: [String: String] = [:]
    }

    private static let folder = WarrenSystem.root.appending(path: "docs/examples/clients")

    private static func path(_ name: String) -> String { folder.appending(path: name).path }

    private func clients(_ system: WarrenSystem) throws -> [Client] {
      let python = try ContractTools.python
      let jars = ["amqp-client", "slf4j-api", "slf4j-nop"].map { "/usr/share/java/\($0).jar" }
      let management = system.broker.managementURL.replacing("http://", with: "http://guest:guest@")
      return [
        Client(name: "pika", program: python, arguments: [Self.path("python-pika/jobs.py")]),
        Client(
          name: "aio-pika", program: python, arguments: [Self.path("python-aio-pika/jobs.py")]),
        Client(name: "bunny", program: "ruby", arguments: [Self.path("ruby/jobs.rb")]),
        Client(name: "php-amqplib", program: "php", arguments: [Self.path("php/jobs.php")]),
        Client(
          name: "amqp091-go", program: "go", arguments: ["run", Self.path("go/jobs.go")],
          environment: [
            "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "",
            "GOCACHE": system.folder.appending(path: "go").path,
          ]),
        Client(
          name: "Java", program: "java",
          arguments: ["-cp", jars.joined(separator: ":"), Self.path("java/Jobs.java")]),
        Client(name: "amqp-tools", program: "sh", arguments: [Self.path("shell/jobs.sh")]),
        Client(
          name: "the management API", program: python,
          arguments: [Self.path("management-api/jobs.py")],
          environment: ["RABBITMQ_MANAGEMENT": management]),
      ]
    }

    @Test("each submits a job, gets its result, and cancels another")
    func clients() async throws {
      try await WarrenSystem.run(ownBroker: true) { system in
        let file = system.folder.appending(path: "a file \"with\" a name.txt")
        try Data("hello\n".utf8).write(to: file)
        let sum = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        var known: Set<String> = []
        try await addProducer(to: system)
        for client in try clients(system) {
          let run = try await system.run(
            client.program, client.arguments + [file.path],
            environment: client.environment.merging([
              "WARREN_BROKER": system.broker.url.replacing("guest:guest", with: "producer:secret"),
              "RABBITMQ_MANAGEMENT": system.broker.managementURL
                .replacing("http://", with: "http://producer:secret@"),
            ]) { $1 }, within: .seconds(240))
          guard run.exitCode == 0 else {
            Issue.record("\(client.name) ended with \(run.exitCode):\n\(run.output)")
            continue
          }
          var jobs: [String: String] = [:]
          for line in run.output.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3)
            guard words.count == 4, words[0] == "job" else { continue }
            jobs[String(words[2].dropLast())] = String(words[1])
            if words[2] == "completed:" {
              #expect(words[3].contains(sum), "\(client.name): \(line)")
            }
          }
          guard let completed = jobs["completed"], let canceled = jobs["canceled"], jobs.count == 2
          else {
            Issue.record("\(client.name) prints something else:\n\(run.output)")
            continue
          }
          let done = try await system.api.get("/jobs/\(completed)")
          #expect(done.text("status") == "completed", "\(client.name): \(done)")
          #expect(done["attempt"] == 1, "\(client.name): \(done)")
          let ended = try await system.api.get("/jobs/\(canceled)")
          #expect(ended.text("status") == "canceled", "\(client.name): \(ended)")
          #expect(ended.text("details") == "no longer needed", "\(client.name): \(ended)")
          #expect(ended["attempt"] == 0, "\(client.name): \(ended)")
          known.formUnion([completed, canceled])
          let all = try await system.api.get("/jobs?page_size=1")
          #expect(
            all["total"] == .integer(Int64(known.count)), "\(client.name) made other jobs too")
        }
        #expect(known.count == 16)
        #expect(try await system.deadReasons().isEmpty)
      }
    }

    /// A user that has no more rights than the documentation says.
    private func addProducer(to system: WarrenSystem) async throws {
      let (own, submit) = (#"^to-jobs-.+$"#, #"^jobs\.(submit|requests)$"#)
      let operations = try String(
        contentsOf: WarrenSystem.root.appending(path: "docs/operations.md"), encoding: .utf8)
      for rights in [own, submit] {
        #expect(operations.contains("`\(rights)`"), "operations.md does not give \(rights)")
      }
      let broker = system.broker
      try await broker.control("add_user", "producer", "secret")
      try await broker.control("set_user_tags", "producer", "management")
      try await broker.control("set_permissions", "-p", "/", "producer", own, submit, own)
    }

    @Test("a wrong address or use ends each with a word of why")
    func misuse() async throws {
      try await WarrenSystem.run(workers: 0, ownBroker: true) { system in
        let nobody = try FreePorts.find(1)[0]
        for client in try clients(system) {
          let run = try await system.run(
            client.program, client.arguments + ["README.md"],
            environment: client.environment.merging([
              "WARREN_BROKER": "amqp://guest:guest@127.0.0.1:\(nobody)",
              "RABBITMQ_MANAGEMENT": "http://guest:guest@127.0.0.1:\(nobody)",
            ]) { $1 }, within: .seconds(240))
          #expect(run.exitCode != 0, "\(client.name)")
          #expect(!run.output.isEmpty, "\(client.name)")
          let bare = try await system.run(
            client.program, client.arguments, environment: client.environment,
            within: .seconds(240))
          #expect(bare.exitCode != 0, "\(client.name)")
          #expect(bare.output.contains("usage"), "\(client.name): \(bare.output)")
        }
        #expect(try await system.rows().isEmpty)
      }
    }

    @Test("a listener hears what happens to jobs, and a reader shows what could not be accepted")
    func listeners() async throws {
      try await WarrenSystem.run(ownBroker: true) { system in
        let python = try ContractTools.python
        let listener = try ChildProcess(
          python, [Self.path("python-pika/events.py"), "*.*.files.*"],
          environment: ["WARREN_BROKER": system.broker.url],
          log: system.folder.appending(path: "events.log"))
        try await eventually("it listens") { listener.output.contains("listening") }
        let job = try await system.api.schedule("files:checksum", ["path": "/nonexistent"])
        #expect(try await system.api.wait(job).text("status") == "failed")
        for change in ["new -> waiting", "waiting -> running", "running -> failed (exit code 1"] {
          try await eventually("it hears \(change)") {
            listener.output.contains("job \(job) of files:checksum: \(change)")
          }
        }
        // It goes on until it is stopped.
        #expect(try await listener.isRunning)
        let reader = try ChildProcess(
          python, [Self.path("python-pika/dead_letters.py")],
          environment: ["WARREN_BROKER": system.broker.url],
          log: system.folder.appending(path: "dead.log"))
        try await eventually("the other listens as well") { reader.output.contains("listening") }

        try await Tool.run(
          "/usr/bin/amqp-publish",
          [
            "-u", system.broker.url, "-e", "jobs.submit", "-p", "-H", "type: files:chekcsum", "-b",
            "{}",
          ])
        try await eventually("it is told of, and kept") {
          let reasons = try await system.deadReasons()
          return reasons == ["unknown-type"]
            && reader.output.contains("unknown-type: there is no job type files:chekcsum")
        }
      }
    }
  }
}
