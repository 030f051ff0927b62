import Foundation
import Jobs
import TestSupport
import Testing
import Warren

extension SystemTests {
  /// docs/asyncapi.yaml against itself, and against what is really on the wire.
  @Suite("The contract of messages")
  struct MessageContractTests {
    /// A job of every end that a program can come to.
    private static let types =
      TestJobs.configuration + """

          - name: skip
            group: files
            command: [sh, -c, 'echo "{\\"skip\\": \\"nothing to do\\"}" >> "$WARREN_REPORT"']
        """

    private struct Note: JobParams {
      static let job = JobDefinition("files:note")
    }

    @Test("the document is right, and what holds it against messages finds what is wrong")
    func document() async throws {
      let run = try await Tool.run(
        ContractTools.python, ["-B", "-m", "unittest", "test_asyncapi"],
        directory: ContractTools.folder)
      #expect(run.contains("OK"), "\(run)")
    }

    @Test("every message on the wire is described: of all kinds, statuses and reasons")
    func wire() async throws {
      try await WarrenSystem.run(Self.types, ownBroker: true) { system in
        try await system.startLifeWorker()
        try await system.broker.control("trace_on")
        try await expectSuccess("wire.py", ["tap"], system)
        let listener = try ChildProcess(
          ContractTools.python,
          [
            WarrenSystem.root.appending(
              path: "docs/examples/clients/python-pika/events.py"
            ).path, "#",
          ],
          environment: ["WARREN_BROKER": system.broker.url],
          log: system.folder.appending(path: "events.log"))
        try await eventually("it listens") { listener.output.contains("listening") }

        try await everyStatus(system)
        try await swiftProducer(system)
        let file = system.folder.appending(path: "text.txt")
        try Data("hello\n".utf8).write(to: file)
        try await expectSuccess("produce.py", [file.path], system)
        let last = try await system.api.schedule("files:skip")
        #expect(try await system.api.wait(last).text("status") == "skipped")
        try await eventually("all events were told") {
          listener.output.contains("job \(last) of files:skip: running -> skipped")
        }
        try await throwOut(system)

        let records = system.folder.appending(path: "wire.jsonl").path
        try await expectSuccess("wire.py", ["collect", records], system)
        let found = try JSONValue(
          parsing: try await expectSuccess("asyncapi.py", ["messages", records], system).utf8)
        expect(found)
      }
    }

    private func expect(_ found: JSONValue) {
      let kinds = found.members?["messages"]?.members ?? [:]
      for kind in [
        "job", "jobByHeader", "cloudEvent", "structuredCloudEvent", "cancel", "cancelByHeader",
        "request", "answer", "refusal", "endedJob", "event", "deadLetter", "thrownOut", "malformed",
      ] {
        #expect(kinds[kind] != nil, "there was no \(kind): \(found.text)")
      }
      #expect(
        found.members?["statuses"]
          == .array(JobStatus.allCases.map(\.rawValue).sorted().map(JSONValue.string)))
      #expect(
        found.members?["reasons"] == [
          "bad-body", "bad-header", "bad-property", "bad-report", "body-too-large", "conflict",
          "deleted", "invalid-params", "unknown-job", "unknown-type", "unknown-webhook",
          "unreadable",
        ])
    }

    @discardableResult
    private func expectSuccess(
      _ script: String, _ arguments: [String], _ system: WarrenSystem
    ) async throws -> String {
      let run = try await ContractTools.run(script, arguments, system)
      guard run.exitCode == 0 else {
        throw NotInTime(what: "\(script) to succeed:\n\(run.output.prefix(8_000))")
      }
      return run.output
    }

    private func everyStatus(_ system: WarrenSystem) async throws {
      let api = system.api
      for (type, end) in [("files:late", "timeout"), ("files:broken", "failed")] {
        #expect(try await api.wait(api.schedule(type)).text("status") == end)
      }
      let steps = try await api.schedule("life:steps", ["steps": 10_000])
      try await system.until(steps, is: "running")
      #expect(try await api.post("/jobs/\(steps)/suspend").status == 202)
      try await system.until(steps, is: "suspended")
      #expect(try await api.post("/jobs/\(steps)/resume").status == 202)
      try await system.until(steps, is: "running")
      let locked = try await api.schedule("life:lock", ["by": .string(steps)])
      try await system.until(locked, is: "locked")
      for job in [steps, locked] {
        #expect(try await api.post("/jobs/\(job)/cancel").status == 202)
        #expect(try await api.wait(job).text("status") == "canceled")
      }
    }

    /// What Swift's own producers write is held against the same document.
    private func swiftProducer(_ system: WarrenSystem) async throws {
      try await JobService.connect(broker: system.broker.url, prefix: system.prefix) { jobs in
        try await jobs.schedule(Note()).result(within: .seconds(55))
        let later = try await jobs.schedule(
          Note(), after: .seconds(3_600), options: JobOptions(priority: 3))
        try await later.cancel(reason: "no longer needed")
        try await eventually("it is canceled") {
          try await system.api.get("/jobs/\(later.id)").text("status") == "canceled"
        }
      }
    }

    /// Has the broker throw a message out of the intake: it expires while the server is away.
    private func throwOut(_ system: WarrenSystem) async throws {
      try await system.server.send(SIGTERM)
      _ = try await system.server.exitCode()
      let program = """
        import os, pika, sys, time
        with pika.BlockingConnection(pika.URLParameters(os.environ["WARREN_BROKER"])) as connection:
            channel = connection.channel()
            count = lambda: channel.queue_declare("jobs.dead", passive=True).method.message_count
            before = count()
            channel.basic_publish(
                "jobs.submit", "", b"{}",
                pika.BasicProperties(type="files:note", delivery_mode=2, expiration="1"))
            deadline = time.monotonic() + 30
            while count() == before:
                if time.monotonic() > deadline: sys.exit("it is not thrown out")
                connection.sleep(0.1)
        """
      let run = try await system.run(ContractTools.python, ["-c", program])
      guard run.exitCode == 0 else { throw NotInTime(what: "a message to expire: \(run.output)") }
    }
  }
}
