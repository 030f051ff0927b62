import Foundation
import Jobs
import TestSupport
import Testing

extension SystemTests {
  @Suite("The examples")
  struct ExampleTests {
    @Test("the consumer service runs what the producer schedules, and the server knows its type")
    func words() async throws {
      try await WarrenSystem.run(workers: 0, ownBroker: true) { system in
        let consumer = try await user("consumer", "service", of: system.broker)
        try await system.startWorker(
          WarrenSystem.program("WordService"), [], environment: ["WARREN_BROKER": consumer])
        let type = try await system.api.get("/job_types/text:words")
        #expect(type["params"] == ["top": 3])
        #expect(type["params_schema"]?.members?["required"] == ["path"])

        let text = system.folder.appending(path: "text.txt")
        try Data("the cat and\nthe dog and the hen\n".utf8).write(to: text)
        let only = try await user("only", "producer", of: system.broker)
        let producer = try await system.run(
          WarrenSystem.program("Producer"), [text.path], environment: ["WARREN_BROKER": only])
        #expect(producer.exitCode == 0, "\(producer.output)")
        #expect(
          producer.output.contains("8 words, most of them the, and, cat"), "\(producer.output)")
        let jobs = try await system.api.get("/jobs")
        guard case .array(let list) = jobs["jobs"] else {
          Issue.record("\(jobs)")
          return
        }
        #expect(list.first?.members?["progress_details"] == "line 2")

        // Of a producer in another language.
        let refused = try await system.api.post("/jobs", ["type": "text:words", "params": [:]])
        #expect(refused.status == 422)
        #expect(
          refused.text("detail").contains("the parameter /path is missing"), "\(refused)")
      }
    }

    /// Makes a user that has no more rights than the documentation says.
    ///
    /// - Returns: the URL to connect with.
    private func user(
      _ name: String, _ role: String, of broker: ThrowawayBroker
    ) async throws -> String {
      let operations = try String(
        contentsOf: WarrenSystem.root.appending(path: "docs/operations.md"), encoding: .utf8)
      let row = try #require(
        operations.split(separator: "\n").first { $0.hasPrefix("| `\(role)` | `^") })
      let rights = row.matches(of: /`(\^.*?\$)`/).map { String($0.1).replacing("\\|", with: "|") }
      try #require(rights.count == 3)
      try await broker.control("add_user", name, "secret")
      try await broker.control(
        "set_permissions", "-p", "/", name, rights[0], rights[1], rights[2])
      return "amqp://\(name):secret@127.0.0.1:\(broker.port)/"
    }

    @Test("of the AMQP client publish, consume and ask, without a server")
    func client() async throws {
      try await WarrenSystem.run(workers: 0, ownBroker: true) { system in
        let published = try await system.run(
          WarrenSystem.program("AMQPPublish"), ["first", "second", "third"])
        #expect(published.exitCode == 0, "\(published.output)")
        let consumed = try await system.run(WarrenSystem.program("AMQPConsume"), [])
        #expect(consumed.exitCode == 0, "\(consumed.output)")
        let lines = consumed.output.split(separator: "\n").map(String.init)
        #expect(
          lines.filter { ["first", "second", "third"].contains($0) } == [
            "first", "second", "third",
          ])
        try await eventually("all are acknowledged") {
          let queue = try await system.management.get("/api/queues/%2F/example.lines")
          return queue.members?["messages"] == 0
        }
        let asked = try await system.run(WarrenSystem.program("AMQPRequest"), [])
        #expect(asked.exitCode == 0, "\(asked.output)")
        #expect(asked.output.contains("HOW ARE YOU?"))
      }
    }
  }
}
