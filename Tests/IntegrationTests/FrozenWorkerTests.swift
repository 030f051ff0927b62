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
  }
}
