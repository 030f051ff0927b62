import Foundation
import Jobs
import Testing

extension SystemTests {
  @Suite("The life of a job, over processes")
  struct JobLifeTests {
    @Test(
      "a command job gives its result, through a queue and connections that operators recognise")
    func checksum() async throws {
      try await WarrenSystem.run(ownBroker: true) { system in
        let file = system.folder.appending(path: "input.txt")
        try Data("warren\n".utf8).write(to: file)
        let command = try await system.warren(
          "schedule", "files:checksum", "--param", "path=\(file.path)", "--wait")
        #expect(command.exitCode == 0)
        // printf 'warren\n' | sha256sum
        #expect(
          command.output.contains(
            "dcb590f1a74ecde4ac3c183f82c309ee3dd82d299255be065f5270c1fd5c63f0"))

        #expect(try await system.rows() == ["files:checksum compute completed"])

        try await eventually("the broker shows the queue and the connections") {
          let queues = try await system.management.get("/api/queues/%2F/jobs.compute")
          let connections = try await system.management.get("/api/connections").text
          return queues.members?["type"] == "quorum"
            && ["warren server publishing", "warren server consuming", "warren worker"]
              .allSatisfy(connections.contains)
        }
      }
    }

    @Test(
      "a waiting job is canceled at once and never runs; a running one ends within a second, its processes gone"
    )
    func cancel() async throws {
      try await WarrenSystem.run { system in
        let running = [
          try await system.api.schedule("files:sleep"),
          try await system.api.schedule("files:sleep"),
        ]
        try await eventually("both slots are taken") { system.lines(of: "starts").count == 2 }
        let waiting = try await system.api.schedule("files:note")
        #expect(try await system.api.post("/jobs/\(waiting)/cancel").text("status") == "canceled")

        let start = ContinuousClock.now
        for id in running {
          #expect(try await system.api.post("/jobs/\(id)/cancel").status == 202)
        }
        for id in running {
          #expect(try await system.api.wait(id).text("status") == "canceled")
        }
        #expect(ContinuousClock.now - start < .seconds(10))
        for line in system.lines(of: "starts") {
          let pid = try #require(pid_t(line.split(separator: " ")[1]))
          #expect(kill(pid, 0) == -1, "process \(pid) is still there")
        }
        // The queue is worked off behind it, and the canceled job is not run.
        let after = try await system.api.schedule("files:note")
        #expect(try await system.api.wait(after).text("status") == "completed")
        #expect(system.lines(of: "notes") == [after])
      }
    }

    @Test(
      "a job that outruns its time-out is timeout; one that fails is retried after its delay, then failed"
    )
    func failures() async throws {
      try await WarrenSystem.run { system in
        let late = try await system.api.schedule("files:late")
        #expect(try await system.api.wait(late).text("status") == "timeout")

        let start = ContinuousClock.now
        let broken = try await system.api.schedule("files:broken")
        let end = try await system.api.wait(broken)
        #expect(end.text("status") == "failed")
        #expect(end["retries"] == 1)
        #expect(end.text("error").contains("exit code 3: no luck"))
        #expect(ContinuousClock.now - start >= .milliseconds(700))
      }
    }

    @Test("a scheduled job waits for its time")
    func later() async throws {
      try await WarrenSystem.run { system in
        let due = Timestamp.now + .milliseconds(1500)
        let id = try await system.api.schedule(
          "files:note", [:], ["scheduled_at": .integer(due.milliseconds)])
        #expect(try await system.api.get("/jobs/\(id)").text("status") == "waiting")
        let end = try await system.api.wait(id)
        guard case .integer(let started) = end["started_at"] else {
          Issue.record("it has no started_at: \(end.body.text)")
          return
        }
        #expect(started >= due.milliseconds)
        #expect(started - due.milliseconds < 1000)
      }
    }
  }
}
