import Foundation
import Jobs
import Testing

extension SystemTests {
  @Suite("Suspending and resuming")
  struct SuspendTests {
    @Test(
      "a job is suspended, its worker replaced, and it goes on from its snapshot, no step twice")
    func roundTrip() async throws {
      try await WarrenSystem.run(workers: 0, ownBroker: true) { system in
        let first = try await system.startLifeWorker()
        let id = try await system.api.schedule("life:steps", ["steps": 100, "milliseconds": 150])
        try await eventually("it has come some way") { system.steps(of: id).count >= 5 }

        let start = ContinuousClock.now
        #expect(try await system.api.post("/jobs/\(id)/suspend").status == 202)
        #expect(try await system.api.wait(id).text("status") == "suspended")
        #expect(ContinuousClock.now - start < .seconds(10), "it is not run to its end first")
        let done = system.steps(of: id).count
        try await eventually("nothing of the queue is unacknowledged") {
          try await system.management.get("/api/queues/%2F/jobs.download")
            .members?["messages_unacknowledged"] == 0
        }
        #expect(try await system.rows() == ["life:steps download suspended"])

        try await first.send(SIGTERM)
        #expect(try await first.exitCode() == 0)
        try await system.startLifeWorker()
        #expect(try await system.api.post("/jobs/\(id)/resume").text("status") == "waiting")
        let end = try await system.api.wait(id)
        #expect(end.text("status") == "completed")
        #expect(end["result"] == 100)
        #expect(system.steps(of: id) == (0..<100).map(String.init))
        #expect(system.lines(of: "trace").contains("run \(id) from \(done)"))
        // Init at the creation; then suspend, resume and init, in this order.
        let callbacks = system.lines(of: "trace").filter { $0.hasSuffix(id) }
          .map { $0.split(separator: " ")[0] }
        #expect(callbacks == ["init", "suspend", "resume", "init"])
      }
    }

    @Test(
      "a waiting and a scheduled job are suspended at once; types that are not suspendable answer 405"
    )
    func withoutRunning() async throws {
      try await WarrenSystem.run(workers: 1) { system in
        try await system.startLifeWorker()
        let later = try await system.api.schedule(
          "life:steps", ["steps": 1],
          ["scheduled_at": .integer((Timestamp.now + .seconds(3600)).milliseconds)])
        #expect(try await system.api.post("/jobs/\(later)/suspend").text("status") == "suspended")
        // Twice is once, and what is suspended can be canceled.
        #expect(try await system.api.post("/jobs/\(later)/suspend").text("status") == "suspended")
        #expect(try await system.api.post("/jobs/\(later)/resume").text("status") == "waiting")
        #expect(try await system.api.post("/jobs/\(later)/resume").text("status") == "waiting")
        #expect(try await system.api.post("/jobs/\(later)/suspend").text("status") == "suspended")
        #expect(try await system.api.post("/jobs/\(later)/cancel").text("status") == "canceled")
        let ended = try await system.api.post("/jobs/\(later)/resume")
        #expect(ended.status == 409)
        #expect(ended.text("detail").contains("canceled"))

        let note = try await system.api.schedule("files:note")
        let refused = try await system.api.post("/jobs/\(note)/suspend")
        #expect(refused.status == 405)
        #expect(refused.text("type") == "/problems/not-suspendable")
      }
    }

    @Test("a program goes on from the snapshot that it reported")
    func program() async throws {
      try await WarrenSystem.run { system in
        let id = try await system.api.schedule("files:count", ["to": 30])
        try await eventually("it counts") { system.lines(of: "counted").count >= 3 }
        let suspend = try await system.warren("suspend", id)
        #expect(suspend.exitCode == 0, "\(suspend.output)")
        #expect(try await system.api.wait(id).text("status") == "suspended")
        let resume = try await system.warren("resume", id)
        #expect(resume.exitCode == 0, "\(resume.output)")
        #expect(try await system.api.wait(id).text("status") == "completed")
        #expect(system.lines(of: "counted") == (1...30).map(String.init))
      }
    }
  }
}

extension WarrenSystem {
  /// Starts a worker with callbacks of every kind.
  @discardableResult
  func startLifeWorker() async throws -> ChildProcess {
    try await startWorker(Self.program("LifeWorker"), [])
  }

  /// The steps that a job of `life:steps` has made.
  func steps(of id: String) -> [String] {
    lines(of: "trace").filter { $0.hasPrefix("step \(id) ") }
      .map { String($0.split(separator: " ")[2]) }
  }

  /// The statuses that the callback of a job was told, each once as long as it lasts.
  func states(of id: String) -> [String] {
    lines(of: "trace").filter { $0.hasPrefix("state \(id) ") }
      .map { String($0.split(separator: " ")[2]) }
      .reduce(into: []) { states, state in if states.last != state { states.append(state) } }
  }
}
