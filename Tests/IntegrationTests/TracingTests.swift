import Foundation
import Jobs
import TestSupport
import Testing

extension SystemTests {
  /// From a producer in another language to the last program that its job has started: one trace, whose spans are what was exported.
  @Suite("Tracing and metrics")
  struct TracingTests {
    private static let commands = """
      groups:
        files: {queue: maintenance}
      types:
        - name: traced
          group: files
          command: [sh, -c, 'echo "$TRACEPARENT" >> "$FOLDER/traceparent"']
          environment: {FOLDER: "%FOLDER%"}
      """

    @Test("one trace leads from a Python producer through job and child to a command")
    func oneTrace() async throws {
      try await WarrenSystem.run(Self.commands) { system in
        let service = try await system.startWorker(WarrenSystem.program("TracedWorker"), [])
        let trace = "0af7651916cd43dd8448eb211c80319c"
        let producer = "b7ad6b7169203331"
        let id = JobID()
        try await publish(
          id, traceparent: "00-\(trace)-\(producer)-01", system.broker.url, system.prefix)
        #expect(try await eventuallyEnds(id, system) == "completed")
        try await eventually("its three children and the command have ended") {
          let ended = try await system.api.get("/jobs?status=completed,skipped&page_size=1")
          return ended["total"] == 5
        }
        // The store's own counts.
        func count(_ type: String, _ status: String = "") async throws -> JSONValue? {
          let status = status.isEmpty ? "" : "&status=\(status)"
          return try await system.api.get("/jobs?type=\(type)\(status)&page_size=1")["total"]
        }
        let children = try await count("trace:child")
        let completed = try await count("trace:child", "completed")
        let skipped = try await count("trace:child", "skipped")
        #expect(children == 3 && completed == 2 && skipped == 1)

        // What it logged is kept with it, whatever becomes of its worker.
        let logs = try await system.warren("logs", id.description)
        #expect(logs.exitCode == 0 && logs.output.contains("has scheduled"), "\(logs.output)")

        try await service.send(SIGTERM)
        #expect(try await service.exitCode() == 0)
        let spans = try read("spans.json", system)
        let execute = try #require(
          spans.first { $0.members?["name"] == "execute trace:parent" }?.members)
        #expect(execute["trace"] == .string(trace))
        #expect(execute["parent"] == .string(producer))
        let wait = try #require(spans.first { $0.members?["name"] == "wait trace:parent" }?.members)
        #expect(wait["parent"] == .string(producer))
        let schedule = try #require(
          spans.first { $0.members?["name"] == "schedule trace:child" }?.members)
        #expect(schedule["parent"] == execute["id"])
        let child = spans.filter { $0.members?["name"] == "execute trace:child" }
        #expect(child.count == 3)
        #expect(child.allSatisfy { $0.members?["parent"] == schedule["id"] })
        let command = try #require(
          spans.first { $0.members?["name"] == "schedule files:traced" }?.members)
        guard case .string(let span) = command["id"] else { return }
        #expect(system.lines(of: "traceparent") == ["00-\(trace)-\(span)-01"])
        #expect(spans.allSatisfy { $0.members?["trace"] == .string(trace) })

        let metrics = try #require(
          try JSONValue(
            parsing: Data(contentsOf: system.folder.appending(path: "metrics.json"))
          ).members)
        #expect(
          metrics["messaging.client.sent.messages error.type=none type=trace:child"] == children)
        func ofChildren(_ name: String, _ outcome: String = "") -> JSONValue? {
          metrics["\(name)\(outcome) queue=compute type=trace:child"]
        }
        #expect(ofChildren("messaging.client.consumed.messages") == children)
        #expect(ofChildren("messaging.process.duration", " outcome=completed") == completed)
        #expect(ofChildren("messaging.process.duration", " outcome=skipped") == skipped)
        #expect(metrics["warren.job.queue_wait queue=compute type=trace:parent"] == 1)
        // In batches: the parent and its children were claimed once each, and their ends reported.
        #expect(metrics["warren.claim.batch queue=compute"] == 4)
        guard case .integer(let reports)? = metrics["warren.report.batch"] else {
          Issue.record("no batch of reports was counted: \(metrics)")
          return
        }
        #expect(reports >= 4)
        // Every line of a job says of which, and in which trace.
        let line = try #require(
          service.output.split(separator: "\n").first { $0.contains("has scheduled") })
        #expect(line.contains(id.description) && line.contains(trace), "\(line)")
      }
    }

    private func eventuallyEnds(_ id: JobID, _ system: WarrenSystem) async throws -> String {
      try await eventually("the job is known") {
        try await system.api.get("/jobs/\(id)").status == 200
      }
      return try await system.api.wait(id.description).text("status")
    }

    private func read(_ name: String, _ system: WarrenSystem) throws -> [JSONValue] {
      let data = try Data(contentsOf: system.folder.appending(path: name))
      guard case .array(let values) = try JSONValue(parsing: data) else { return [] }
      return values
    }

    private func publish(
      _ id: JobID, traceparent: String, _ broker: String, _ prefix: String
    ) async throws {
      let program = """
        import pika, sys
        connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(
            sys.argv[2] + ".submit", "", b'{"children": 3}',
            pika.BasicProperties(type="trace:parent", message_id=sys.argv[3], delivery_mode=2,
                                 headers={"traceparent": sys.argv[4]}), mandatory=True)
        connection.close()
        """
      _ = try await Tool.run(
        "/usr/bin/python3", ["-c", program, broker, prefix, id.description, traceparent])
    }
  }
}
