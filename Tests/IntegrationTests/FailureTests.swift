import Foundation
import Jobs
import TestSupport
import Testing

extension SystemTests {
  @Suite("Failures")
  struct FailureTests {
    @Test(
      "the job of a killed worker runs again elsewhere, and nothing of the first attempt is left")
    func killedWorker() async throws {
      try await WarrenSystem.run { system in
        let id = try await system.api.schedule("files:sleep", ["seconds": "15"])
        try await eventually("it runs") { system.lines(of: "starts").count == 1 }
        let first = try #require(pid_t(system.lines(of: "starts")[0].split(separator: " ")[1]))
        try await system.startWorker()
        try await system.worker(0).kill9()
        try await eventually(within: .seconds(5), "its program is gone") { kill(first, 0) == -1 }
        let end = try await system.api.wait(id)
        #expect(end.text("status") == "completed")
        #expect(end["attempt"] == 2)
        #expect(end["lost_workers"] == 1)
        #expect(system.lines(of: "starts").count == 2)
      }
    }

    @Test("a worker that is told to end lets its job finish, and takes no more")
    func drain() async throws {
      try await WarrenSystem.run { system in
        let id = try await system.api.schedule("files:sleep", ["seconds": "2"])
        try await eventually("it runs") { system.lines(of: "starts").count == 1 }
        try await system.worker(0).send(SIGTERM)
        #expect(try await system.worker(0).exitCode() == 0)
        let end = try await system.api.wait(id)
        #expect(end.text("status") == "completed")
        #expect(end["attempt"] == 1)
      }
    }

    @Test("over a restart of the broker under load every accepted job comes to its end")
    func brokerRestart() async throws {
      try await WarrenSystem.run(workers: 2, ownBroker: true) { system in
        var ids: [String] = []
        for number in 0..<100 {
          ids.append(
            try await system.api.schedule("files:note", ["number": .integer(Int64(number))]))
        }
        try await system.broker.stop()
        for number in 100..<150 {
          ids.append(
            try await system.api.schedule("files:note", ["number": .integer(Int64(number))]))
        }
        try await system.broker.start()
        for id in ids {
          #expect(try await system.api.wait(id).text("status") == "completed")
        }
        #expect(Set(system.lines(of: "notes")) == Set(ids))
      }
    }
  }
}
