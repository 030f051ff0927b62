import Foundation
import Jobs
import TestSupport
import Testing

extension SystemTests {
  @Suite("Callbacks in the worker")
  struct CallbackTests {
    @Test("an init callback is called before the job is there; its error refuses the job")
    func initialize() async throws {
      try await WarrenSystem.run(workers: 0) { system in
        let worker = try await system.startLifeWorker()
        let id = try await system.api.schedule("life:steps", ["steps": 1])
        #expect(system.lines(of: "trace").first == "init \(id)")
        #expect(try await system.api.wait(id).text("status") == "completed")

        let key = JSONValue.string(UUID().uuidString.lowercased())
        let refused = try await system.api.post(
          "/jobs",
          ["type": "life:steps", "params": ["refuse": "init"], "idempotency_key": key])
        #expect(refused.status == 400)
        #expect(refused.text("type") == "/problems/callback-failed")
        #expect(refused.text("detail").contains("init does not like it"))
        // Nothing is left of it, and the key is free.
        #expect(try await system.rows() == ["life:steps download completed"])
        let again = try await system.api.post(
          "/jobs", ["type": "life:steps", "params": ["steps": 1], "idempotency_key": key])
        #expect(again.status == 202)
        #expect(try await system.api.wait(again.text("id")).text("status") == "completed")

        // Without a worker nobody can say.
        try await worker.kill9()
        let nobody = try await system.api.post("/jobs", ["type": "life:steps"])
        #expect(nobody.status == 503)
        #expect(nobody.text("type") == "/problems/no-worker")
      }
    }

    @Test("a job that was asked for again while its init callback ran stays, refused or not")
    func askedForTwice() async throws {
      try await WarrenSystem.run(workers: 0) { system in
        try await system.startLifeWorker()
        let body: JSONValue = [
          "type": "life:steps", "params": ["refuse": "init", "pause": 5000],
          "idempotency_key": .string(UUID().uuidString.lowercased()),
        ]
        async let first = system.api.post("/jobs", body)
        try await eventually("the callback is called") { !system.lines(of: "trace").isEmpty }
        let second = try await system.api.post("/jobs", body)
        #expect(second.status == 200)
        #expect(second.text("status") == "initializing")
        #expect(try await first.text("id") == second.text("id"))
        let end = try await system.api.wait(second.text("id"))
        #expect(end.text("status") == "failed")
        #expect(end.text("error").contains("init does not like it"))
      }
    }

    @Test("a job that comes as a message waits for a worker to initialize it; a refusal fails it")
    func initializeMessages() async throws {
      try await WarrenSystem.run(workers: 0) { system in
        try await system.startLifeWorker().kill9()
        func publish(_ body: String) async throws {
          try await Tool.run(
            "/usr/bin/amqp-publish",
            [
              "-u", system.broker.url, "-e", "\(system.prefix).submit", "-r", "", "-p", "-H",
              "type: life:steps", "-b", body,
            ])
        }
        try await publish(#"{"steps": 1}"#)
        try await publish(#"{"refuse": "init"}"#)
        try await eventually("both wait for a worker") {
          try await system.rows()
            == ["life:steps download initializing", "life:steps download initializing"]
        }
        try await system.startLifeWorker()
        try await eventually("both have ended") {
          try await Set(system.rows())
            == ["life:steps download completed", "life:steps download failed"]
        }
      }
    }

    @Test(
      "an error of a suspend or resume callback fails the operation and leaves the job as it is")
    func refusals() async throws {
      try await WarrenSystem.run(workers: 0) { system in
        try await system.startLifeWorker()
        let running = try await system.api.schedule(
          "life:steps", ["steps": 1000, "refuse": "suspend"])
        try await eventually("it runs") { system.steps(of: running).count > 1 }
        let refused = try await system.api.post("/jobs/\(running)/suspend")
        #expect(refused.status == 400)
        #expect(refused.text("detail").contains("suspend does not like it"))
        #expect(try await system.api.get("/jobs/\(running)").text("status") == "running")
        #expect(try await system.api.post("/jobs/\(running)/cancel").status == 202)
        #expect(try await system.api.wait(running).text("status") == "canceled")

        let suspended = try await system.api.schedule(
          "life:steps", ["steps": 1000, "refuse": "resume"])
        try await eventually("it runs") { system.steps(of: suspended).count > 1 }
        #expect(try await system.api.post("/jobs/\(suspended)/suspend").status == 202)
        #expect(try await system.api.wait(suspended).text("status") == "suspended")
        let stays = try await system.api.post("/jobs/\(suspended)/resume")
        #expect(stays.status == 400)
        #expect(stays.text("detail").contains("resume does not like it"))
        #expect(try await system.api.get("/jobs/\(suspended)").text("status") == "suspended")
      }
    }

    @Test("the state-update callback sees each status and progress of its job")
    func states() async throws {
      try await WarrenSystem.run(workers: 0) { system in
        try await system.startLifeWorker()
        let id = try await system.api.schedule("life:steps", ["steps": 2, "milliseconds": 300])
        #expect(try await system.api.wait(id).text("status") == "completed")
        try await eventually("the last state is told") {
          system.lines(of: "trace").contains("state \(id) completed 100")
        }
        // The last progress may come with the outcome.
        let states = system.lines(of: "trace")
          .filter { $0.hasPrefix("state") && $0 != "state \(id) running 100" }
        #expect(
          states == [
            "state \(id) running 0", "state \(id) running 50", "state \(id) completed 100",
          ])

        let stopped = try await system.api.schedule("life:steps", ["steps": 1000])
        try await eventually("it runs") { system.steps(of: stopped).count > 1 }
        #expect(try await system.api.post("/jobs/\(stopped)/suspend").status == 202)
        #expect(try await system.api.wait(stopped).text("status") == "suspended")
        try await eventually("its stop is told") {
          system.states(of: stopped) == ["running", "suspending", "suspended"]
        }
        #expect(try await system.api.post("/jobs/\(stopped)/resume").status == 202)
        try await eventually("it runs again") { system.states(of: stopped).last == "running" }
        #expect(try await system.api.post("/jobs/\(stopped)/cancel").status == 202)
        try await eventually("its end is told") {
          system.states(of: stopped).suffix(3) == ["running", "canceling", "canceled"]
        }
      }
    }

    @Test("a job may set its own retry policy")
    func retryPolicy() async throws {
      try await WarrenSystem.run(workers: 0) { system in
        try await system.startLifeWorker()
        let end = try await system.api.wait(try await system.api.schedule("life:retry"))
        #expect(end.text("status") == "failed")
        #expect(end["retries"] == 2)
        #expect(end["max_retries"] == 2)
        #expect(end.text("backoff") == "exponential")
        let id = end.text("id")
        #expect(system.lines(of: "trace").filter { $0.hasPrefix("try") }.count == 3)
        try await eventually("its end is told") {
          system.lines(of: "trace").contains("state \(id) failed 0")
        }
        #expect(
          system.lines(of: "trace").filter { $0.hasPrefix("state") } == [
            "state \(id) running 0", "state \(id) waiting 0", "state \(id) running 0",
            "state \(id) waiting 0", "state \(id) running 0", "state \(id) failed 0",
          ])
      }
    }
  }
}
