import Foundation
import Jobs
import NIOHTTP1
import TestSupport
import Testing

extension WarrenSystem {
  /// Why each dead letter that waits was refused, sorted.
  func deadReasons() async throws -> [String] {
    let list = try await api.get("/dead_letters?page_size=1000&state=waiting")
    guard case .array(let letters) = list["dead_letters"] else { return [] }
    return letters.compactMap { $0.members?["reason"]?.text }.map { $0.replacing("\"", with: "") }
      .sorted()
  }
}

extension SystemTests {
  @Suite("Dead letters")
  struct DeadLetterTests {
    private func member(_ letter: JSONValue, _ name: String) -> String {
      if case .string(let text) = letter.members?[name] { text } else { "" }
    }

    private func letters(_ system: WarrenSystem) async throws -> [JSONValue] {
      let list = try await system.api.get("/dead_letters?page_size=1000")
      guard case .array(let letters) = list["dead_letters"] else { return [] }
      return letters
    }

    @Test(
      "every kind is redriven after its cause is mended, over kill -9 of the server, and none is two jobs"
    )
    func everyKind() async throws {
      try await WarrenSystem.run(ownBroker: true) { system in
        let known = try await system.api.schedule("files:note", ["number": 1])
        _ = try await system.api.wait(known)
        let gone = try await system.api.schedule("files:note", ["number": 2])
        _ = try await system.api.wait(gone)
        #expect(try await system.api.delete("/jobs/\(gone)").status == 202)
        let orphan = JobID().description
        try await publish(Self.bad, [known, gone, orphan], system)
        let early = [
          "bad-body", "bad-header", "bad-property", "bad-property", "bad-report", "body-too-large",
          "conflict", "deleted", "invalid-params", "unknown-job", "unknown-type",
        ]
        try await eventually("each is there with its reason") {
          try await system.deadReasons() == early
        }
        // What a limit throws out while the server is away, and what is mended by another configuration.
        try await system.server.send(SIGTERM)
        _ = try await system.server.exitCode()
        try await publish(Self.expired, [], system)
        var configuration = try String(contentsOf: system.configuration, encoding: .utf8)
        configuration.replace(
          "  - name: note\n", with: Self.type(system.folder) + "  - name: note\n",
          maxReplacements: 1)
        try Data(configuration.utf8).write(to: system.configuration)
        try await system.restartServer()
        // It knows the new type.
        try await system.startWorker()
        try await eventually("what has expired is there as well") {
          try await system.deadReasons() == (early + ["expired"]).sorted()
        }
        try await eventually("their queue is empty") {
          try await system.management.get("/api/queues/%2F/jobs.dead").members?["messages"] == 0
        }
        let kept = try await letters(system)
        try await publish(
          #"publish(message_id=sys.argv[2], headers={"scheduled-at": \#(Int64.max / 1_000_000)})"#
            + "\n", [orphan], system)
        try await eventually("the job that was to be canceled is there") {
          try await system.api.get("/jobs/\(orphan)").status == 200
        }
        for letter in kept {
          guard let change = Self.mending(member(letter, "reason"), orphan) else { continue }
          let path = "/dead_letters/\(member(letter, "id"))"
          let answer = try await system.api.send(.PATCH, path, Array(change.utf8))
          #expect(answer.status == 200, "\(answer)")
        }
        let trial = try await system.warren("dead", "redrive", "--all", "--dry-run")
        // What a worker is said to have reported is no report, however it is put.
        #expect(trial.exitCode == 4, "\(trial.output)")
        #expect(trial.output.contains("\(kept.count - 1) acceptable"), "\(trial.output)")

        // The server dies while it redrives.
        let body = #"{"filter": {}, "limit": 1000}"#
        async let redrive = try? system.api.send(
          .POST, "/dead_letters/redrive", Array(body.utf8))
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...40)))
        try await system.server.kill9()
        _ = await redrive
        try await system.restartServer()
        for _ in 0..<2 {
          _ = try await system.api.send(.POST, "/dead_letters/redrive", Array(body.utf8))
        }
        try await eventually("each is accepted but the one that says nothing") {
          try await letters(system).map { member($0, "state") }.sorted()
            == Array(repeating: "accepted", count: kept.count - 1) + ["waiting"]
        }
        #expect(try await system.deadReasons() == ["bad-report"])
        let drop = try await system.warren("dead", "drop", "--reason", "bad-report", "--yes")
        #expect(drop.exitCode == 0, "\(drop.output)")

        // Each is one job, but the cancellation, which has canceled one.
        let jobs = try await letters(system).map { member($0, "job_id") }
        #expect(Set(jobs).count == kept.count - 1)
        let redriven = kept.count - 2
        try await eventually("all have run") {
          try await system.api.get("/jobs?status=completed&page_size=1")["total"]
            == .integer(Int64(redriven + 1))
        }
        #expect(try await system.api.wait(orphan).text("status") == "canceled")
        let total = try await system.api.get("/jobs?page_size=1")["total"]
        #expect(total == .integer(Int64(redriven + 2)))
        #expect(Set(system.lines(of: "notes")).count == redriven + 2)
        #expect(system.lines(of: "notes").count == redriven + 2)
      }
    }

    private static func type(_ folder: URL) -> String {
      """
        - name: new
          group: files
          params: {number: 0}
          command: [sh, -c, 'echo "$WARREN_JOB_ID" >> "$FOLDER/notes"']
          environment: {FOLDER: "\(folder.path)"}

      """
    }

    /// What is to be different about a letter.
    private static func mending(_ reason: String, _ orphan: String) -> String? {
      switch reason {
      case "bad-body", "body-too-large", "invalid-params": #"{"params": {"number": 3}}"#
      case "bad-header": #"{"headers": {"timeout-sec": 5}}"#
      case "bad-property":
        #"{"properties": {"message_id": null, "type": "files:note"}, "params": {}}"#
      case "conflict", "deleted": #"{"properties": {"message_id": null}}"#
      case "bad-report", "expired", "unknown-type", "unknown-job": nil
      default: nil
      }
    }

    private func publish(
      _ program: String, _ arguments: [String], _ system: WarrenSystem
    ) async throws {
      try await Tool.run(
        "/usr/bin/python3",
        ["-c", Self.connect + program, system.broker.url] + arguments)
    }

    private static let connect = """
      import pika, sys, time
      connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
      channel = connection.channel()
      channel.confirm_delivery()
      def publish(body="{}", exchange="jobs.submit", key="", **properties):
          properties = {"type": "files:note", "delivery_mode": 2, **properties}
          channel.basic_publish(exchange, key, body, pika.BasicProperties(**properties), mandatory=True)

      """

    private static let bad = """
      known, gone, orphan = sys.argv[2:]
      publish(type="files:new")
      publish('{"number": "x"}')
      publish("{")
      publish(message_id="17")
      publish(headers={"timeout-sec": "soon"})
      publish('{"number": "' + "x" * 2**20 + '"}')
      publish('{"number": 99}', message_id=known)
      publish(message_id=gone)
      publish('{"job": "' + orphan + '"}', type="warren.cancel")
      publish("?", "jobs", "compute", type="nothing")
      publish("?", "", "jobs.reports", type="warren.worker")
      """

    private static let expired = """
      count = lambda: channel.queue_declare("jobs.dead", passive=True).method.message_count
      publish(expiration="1")
      deadline = time.monotonic() + 30
      while count() == 0:
          if time.monotonic() > deadline: sys.exit("it is not thrown out")
          connection.sleep(0.1)
      """
  }
}
