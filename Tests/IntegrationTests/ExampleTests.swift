import Foundation
import Jobs
import Testing

extension SystemTests {
  @Suite("The examples")
  struct ExampleTests {
    @Test("the consumer service runs what the producer schedules, and the server knows its type")
    func words() async throws {
      try await WarrenSystem.run(workers: 0, ownBroker: true) { system in
        try await system.startWorker(WarrenSystem.program("WordService"), [])
        let type = try await system.api.get("/job_types/text:words")
        #expect(type["params"] == ["top": 3])
        #expect(type["params_schema"]?.members?["required"] == ["path"])

        let text = system.folder.appending(path: "text.txt")
        try Data("the cat and\nthe dog and the hen\n".utf8).write(to: text)
        let producer = try await system.run(WarrenSystem.program("Producer"), [text.path])
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
