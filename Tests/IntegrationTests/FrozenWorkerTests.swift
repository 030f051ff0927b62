import Foundation
import Jobs
import Testing

extension SystemTests {
  @Suite("A frozen worker")
  struct FrozenWorkerTests {
    @Test("its job is taken over; when it wakes, its late result is refused and its task stopped")
    func frozen() async throws {
      try await WarrenSystem.run(workers: 0, heartbeat: 1) { system in
        let frozen = try await system.startLifeWorker()
        let id = try await system.api.schedule("life:steps", ["steps": 200, "milliseconds": 50])
        try await eventually("it runs") { system.steps(of: id).count > 2 }
        try await frozen.send(SIGSTOP)
        let before = system.steps(of: id).count
        try await system.startLifeWorker()
        try await eventually("another has it") {
          try await system.api.get("/jobs/\(id)")["attempt"] == 2
        }
        try await eventually("the other goes on") { system.steps(of: id).count > before + 2 }
        try await frozen.send(SIGCONT)
        let end = try await system.api.wait(id)
        #expect(end.text("status") == "completed")
        #expect(end["attempt"] == 2)
        // The one that woke was stopped: its steps, from its own place, do not go on.
        let steps = system.steps(of: id)
        #expect(steps.filter { $0 == "199" }.count == 1)
        #expect(steps.count - Set(steps).count < 100)
        #expect(try await TransitionLog(system).faults.isEmpty)
      }
    }

    @Test("its job is stopped when it wakes, though the job never says a word")
    func silent() async throws {
      try await WarrenSystem.run(heartbeat: 1) { system in
        let frozen = system.worker(0)
        let id = try await system.api.schedule("files:sleep")
        try await eventually("it runs") { system.lines(of: "starts").count == 1 }
        try await frozen.send(SIGSTOP)
        try await system.startWorker()
        try await eventually("another has it") { system.lines(of: "starts").count == 2 }
        let programs = system.lines(of: "starts").compactMap { line in
          pid_t(line.split(separator: " ")[1])
        }
        try #require(programs.count == 2)
        #expect(kill(programs[0], 0) == 0)
        try await frozen.send(SIGCONT)
        try await eventually("the first one's program is gone") { kill(programs[0], 0) == -1 }
        #expect(kill(programs[1], 0) == 0)
        let job = try await system.api.get("/jobs/\(id)")
        #expect(job.text("status") == "running")
        #expect(job["attempt"] == 2)
      }
    }
  }
}
