import Foundation
import Jobs
import TestSupport
import Testing

extension SystemTests {
  @Suite("Rescue")
  struct RescueTests {
    @Test(
      "the end of a worker is noticed at once, though there is no other, and its jobs are settled")
    func lostWorker() async throws {
      try await WarrenSystem.run { system in
        let canceling = try await system.api.schedule("files:stubborn")
        let suspending = try await system.api.schedule("files:stubborn")
        try await eventually("both run") { system.lines(of: "starts").count == 2 }
        #expect(
          try await system.api.post("/jobs/\(canceling)/cancel").text("status") == "canceling")
        #expect(
          try await system.api.post("/jobs/\(suspending)/suspend").text("status") == "suspending")
        try await system.worker(0).kill9()
        let start = ContinuousClock.now
        #expect(try await system.api.wait(canceling).text("status") == "canceled")
        #expect(try await system.api.wait(suspending).text("status") == "suspended")
        try await eventually("the worker is off the list") { try await system.workerIDs().isEmpty }
        // Far less than it takes for a worker that only keeps silent.
        #expect(ContinuousClock.now - start < .seconds(10))

        try await system.startWorker()
        let running = try await system.api.schedule("files:stubborn")
        try await eventually("it runs") { system.lines(of: "starts").count == 3 }
        try await system.worker(1).kill9()
        try await eventually(within: .seconds(10), "it waits again") {
          let job = try await system.api.get("/jobs/\(running)")
          return job.text("status") == "waiting" && job["lost_workers"] == 1
        }
      }
    }

    @Test("a worker whose lease is taken away for nothing keeps its job")
    func falseAlarm() async throws {
      try await WarrenSystem.run { system in
        let id = try await system.api.schedule("files:sleep", ["seconds": "3"])
        try await eventually("it runs") { system.lines(of: "starts").count == 1 }
        let worker = try #require(try await system.workerIDs().first)
        try await system.management.delete("/api/queues/%2F/\(system.prefix).lease.\(worker)")
        #expect(try await system.api.wait(id).text("status") == "completed")
        #expect(system.lines(of: "starts").count == 1)
        #expect(try await system.workerIDs() == [worker])
      }
    }

    @Test("a worker whose connection is closed keeps what it runs, where nobody has taken it over")
    func closedConnection() async throws {
      try await WarrenSystem.run { system in
        let worker = try #require(try await system.workerIDs().first)
        let connections = try await system.broker.control(
          "list_connections", "-q", "pid", "client_properties")
        let consuming = try #require(
          connections.split(separator: "\n").first {
            $0.contains("warren worker \(worker) consuming")
          })
        let pid = String(try #require(consuming.split(separator: "\t").first))
        let id = try await system.api.schedule("files:sleep", ["seconds": "15"])
        try await eventually("it runs") { system.lines(of: "starts").count == 1 }
        try await system.broker.control("close_connection", pid, "test")
        // It may be taken for lost for a moment; the worker says that it has it as soon as it is back.
        try await eventually(within: .seconds(10), "the worker has it") {
          let job = try await system.api.get("/jobs/\(id)")
          let workers = try await system.workerIDs()
          return job.text("status") == "running" && workers == [worker]
        }
        let end = try await system.api.wait(id)
        #expect(end.text("status") == "completed")
        #expect(end["attempt"] == 1)
        #expect(end["lost_workers"] == 0)
        #expect(system.lines(of: "starts").count == 1)
        // Its slots are all there again.
        for _ in 0..<3 {
          let next = try await system.api.schedule("files:note")
          #expect(try await system.api.wait(next).text("status") == "completed")
        }
      }
    }

    @Test(
      "tickets that were purged, or deleted with their queue, are issued again",
      arguments: ["/contents", ""])
    func lostTickets(_ what: String) async throws {
      try await WarrenSystem.run(workers: 0) { system in
        var ids: [String] = []
        for _ in 0..<20 { ids.append(try await system.api.schedule("files:note")) }
        let queue = "/api/queues/%2F/\(system.prefix).compute"
        try await eventually("the tickets are out") {
          try await system.management.get(queue).members?["messages_ready"] == 20
        }
        try await system.management.delete(queue + what)
        try await system.startWorker()
        for id in ids { #expect(try await system.api.wait(id).text("status") == "completed") }
        #expect(Set(system.lines(of: "notes")) == Set(ids))
        #expect(system.lines(of: "notes").count == 20)
      }
    }

    @Test("a worker goes on when its queue is deleted under it")
    func deletedUnderWorker() async throws {
      try await WarrenSystem.run { system in
        try await system.management.delete("/api/queues/%2F/\(system.prefix).compute")
        let id = try await system.api.schedule("files:note")
        #expect(try await system.api.wait(id).text("status") == "completed")
      }
    }
  }
}
