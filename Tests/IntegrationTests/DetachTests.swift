import Foundation
import Jobs
import TestSupport
import Testing

extension SystemTests {
  @Suite("Jobs longer than the broker's patience")
  struct DetachTests {
    @Test(
      "a job outlives the consumer timeout, because its delivery is acknowledged before; the slot stays taken"
    )
    func timeout() async throws {
      let configuration = TestJobs.configuration + "\nworker: {detach_after: 5s}\n"
      try await WarrenSystem.run(
        configuration, ownBroker: true, brokerConfiguration: "consumer_timeout = 60000"
      ) { system in
        // RabbitMQ looks once in a minute.
        let long = try await system.api.schedule("files:sleep", ["seconds": "150"])
        try await eventually("its delivery is acknowledged") {
          try await system.management.get("/api/queues/%2F/jobs.compute")
            .members?["messages_unacknowledged"] == 0 && !system.lines(of: "starts").isEmpty
        }
        // One of two slots is left.
        for _ in 0..<6 { _ = try await system.api.schedule("files:hold") }
        let end = try await system.api.waitLong(long)
        #expect(end.text("status") == "completed")
        #expect(end["attempt"] == 1)
        #expect(system.lines(of: "starts").count == 1)
        let slots = system.lines(of: "slots")
        #expect(slots == Array(repeating: ["+ worker-0", "- worker-0"], count: 6).flatMap { $0 })
      }
    }

    @Test("a hundred detached jobs survive the loss of server and broker, and end once")
    func survivors() async throws {
      let configuration =
        TestJobs.configuration.replacing("capacity: 2", with: "capacity: 100")
        + "\nworker: {detach_after: 1s}\n"
      try await WarrenSystem.run(configuration, ownBroker: true) { system in
        var ids: [String] = []
        for _ in 0..<100 {
          ids.append(try await system.api.schedule("files:sleep", ["seconds": "40"]))
        }
        try await eventually("all run, and none is unacknowledged") {
          let unacked = try await system.management.get("/api/queues/%2F/jobs.compute")
            .members?["messages_unacknowledged"]
          return system.lines(of: "starts").count == 100 && unacked == 0
        }
        try await system.server.kill9()
        try await system.broker.kill()
        try await system.broker.start()
        try await system.restartServer()
        for id in ids {
          let end = try await system.api.waitLong(id)
          #expect(end.text("status") == "completed")
          #expect(end["attempt"] == 1)
        }
        #expect(system.lines(of: "starts").count == 100)
      }
    }
  }
}
