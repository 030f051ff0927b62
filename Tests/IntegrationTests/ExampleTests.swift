import Foundation
import Jobs
import Testing

extension SystemTests {
  @Suite("The examples")
  struct ExampleTests {
    @Test("the consumer service runs what the producer publishes, and the server knows its type")
    func words() async throws {
      try await WarrenSystem.run(workers: 0, ownBroker: true) { system in
        try await system.startWorker(WarrenSystem.program("WordService"), [])
        let type = try await system.api.get("/job_types/text:words")
        #expect(type["params"] == ["path": "", "top": 3])

        let text = system.folder.appending(path: "text.txt")
        try Data("the cat and\nthe dog and the hen\n".utf8).write(to: text)
        let producer = try await system.run(
          WarrenSystem.program("Producer"), [text.path, "/nowhere"])
        #expect(producer.exitCode == 0, "\(producer.output)")
        // Its log is in there, too.
        let ids = producer.output.split(separator: "\n").map(String.init)
          .filter { JobID($0) != nil }
        try #require(ids.count == 2)
        try await eventually("both jobs are known") {
          try await system.api.get("/jobs?page_size=1")["total"] == 2
        }
        let done = try await system.api.wait(ids[0])
        #expect(done.text("status") == "completed")
        #expect(done["result"] == ["total": 8, "mostFrequent": ["the", "and", "cat"]])
        #expect(done.text("progress_details") == "line 2")
        #expect(try await system.api.post("/jobs/\(ids[1])/cancel").status < 300)
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
