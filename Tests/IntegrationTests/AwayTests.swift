import Foundation
import Jobs
import TestSupport
import Testing
import Warren

extension SystemTests {
  @Suite("While something is away")
  struct AwayTests {
    @Test("a cancellation that is given while the broker is away takes effect when it is back")
    func brokerAway() async throws {
      try await WarrenSystem.run(ownBroker: true) { system in
        let id = try await system.api.schedule("files:sleep")
        try await eventually("it runs") { system.lines(of: "starts").count == 1 }
        try await system.broker.stop()
        #expect(try await system.api.post("/jobs/\(id)/cancel").text("status") == "canceling")
        try await system.broker.start()
        #expect(try await system.api.wait(id).text("status") == "canceled")
      }
    }

    @Test("a cancellation that is given while the broker takes no messages takes effect afterwards")
    func brokerBlocked() async throws {
      try await WarrenSystem.run(workers: 2, ownBroker: true) { system in
        let jobs = try await [
          system.api.schedule("files:sleep"), system.api.schedule("files:sleep"),
        ]
        try await eventually("both run") { system.lines(of: "starts").count == 2 }
        try await system.broker.control("set_vm_memory_high_watermark", "0.000001")
        // The broker keeps the first command, and says that it takes no more; the second one never
        // leaves the server.
        for job in jobs {
          let answer = try await system.api.post("/jobs/\(job)/cancel")
          #expect(answer.text("status") == "canceling")
        }
        try await system.broker.control("set_vm_memory_high_watermark", "0.4")
        for job in jobs {
          #expect(try await system.api.wait(job).text("status") == "canceled")
        }
      }
    }

    @Test("a worker finishes while the server is away, and the server learns of it afterwards")
    func serverAway() async throws {
      try await WarrenSystem.run { system in
        let done = try await system.api.schedule("files:sleep", ["seconds": "1"])
        let canceled = try await system.api.schedule("files:sleep")
        try await eventually("both run") { system.lines(of: "starts").count == 2 }
        try await system.server.kill9()
        let pid = try #require(
          pid_t(
            system.lines(of: "starts").first { $0.hasPrefix(done) }?
              .split(separator: " ")[1] ?? ""))
        try await eventually("its program has ended") { kill(pid, 0) == -1 }
        try await system.restartServer()
        #expect(try await system.api.wait(done).text("status") == "completed")
        #expect(try await system.api.post("/jobs/\(canceled)/cancel").status == 202)
        #expect(try await system.api.wait(canceled).text("status") == "canceled")
        #expect(system.lines(of: "starts").count == 2)
      }
    }

    @Test("a cancellation that is given while the server is away takes effect when it is back")
    func canceledWhileServerAway() async throws {
      try await WarrenSystem.run { system in
        let running = try await system.api.schedule("files:sleep")
        try await eventually("it runs") { system.lines(of: "starts").count == 1 }
        let later = (Timestamp.now + .seconds(3600)).milliseconds
        let waiting = try await system.api.schedule(
          "files:note", [:], ["scheduled_at": .integer(later)])
        let ended = try await system.api.schedule("files:note")
        #expect(try await system.api.wait(ended).text("status") == "completed")
        try await system.server.kill9()
        let unborn = JobID()
        let jobs = try [running, waiting, ended].map { try #require(JobID($0)) }
        try await JobService.connect(broker: system.broker.url, prefix: system.prefix) {
          producer in
          let note = JobSubmission(type: try JobTypeID("files:note"), id: unborn)
          _ = try await producer.submit([note])
          try await producer.desk.cancel(
            (jobs + [unborn]).map {
              JobCancellation(job: $0, reason: "while nobody looked")
            })
          // One that is not there does not hold up what comes after it.
          try await producer.desk.cancel([JobCancellation(job: JobID())])
        }
        try await system.restartServer()
        for id in jobs.map(\.description) where id != ended {
          let end = try await system.api.wait(id)
          #expect(end.text("status") == "canceled")
          #expect(end.text("details") == "while nobody looked")
        }
        try await eventually("the job that was submitted meanwhile is settled") {
          let end = try await system.api.get("/jobs/\(unborn)")
          return ["canceled", "completed"].contains(end.text("status"))
        }
        #expect(try await system.api.get("/jobs/\(ended)").text("status") == "completed")
        try await eventually("the one that is not there is a dead letter") {
          try await system.deadReasons() == ["unknown-job"]
        }
        // A shell can do it as well.
        let last = try await system.api.schedule(
          "files:note", [:], ["scheduled_at": .integer(later)])
        try await Tool.run(
          "/usr/bin/amqp-publish",
          [
            "-u", system.broker.url, "-e", "\(system.prefix).submit", "-p", "-H",
            "type: warren.cancel", "-b", #"{"job": "\#(last)"}"#,
          ])
        #expect(try await system.api.wait(last).text("status") == "canceled")
      }
    }

    @Test("a cancellation that is given while the worker is frozen takes effect when it is back")
    func workerAway() async throws {
      try await WarrenSystem.run { system in
        let id = try await system.api.schedule("files:sleep")
        try await eventually("it runs") { system.lines(of: "starts").count == 1 }
        try await system.worker(0).send(SIGSTOP)
        #expect(try await system.api.post("/jobs/\(id)/cancel").text("status") == "canceling")
        try await system.worker(0).send(SIGCONT)
        #expect(try await system.api.wait(id).text("status") == "canceled")
      }
    }

    @Test(
      "a hundred suspended jobs, a hundred detached ones, and those in between survive a restart of everything"
    )
    func everything() async throws {
      let configuration =
        TestJobs.configuration.replacing("capacity: 2", with: "capacity: 102")
        + "\nworker: {detach_after: 1s}\n"
      try await WarrenSystem.run(configuration, workers: 1, ownBroker: true) { system in
        let life = try await system.startLifeWorker()
        let suspended = try await Self.suspendAtWork(100, system)
        let canceling = try await system.api.schedule("files:stubborn")
        let suspending = try await system.api.schedule("files:stubborn")
        var detached: [String] = []
        for _ in 0..<100 {
          detached.append(try await system.api.schedule("files:sleep", ["seconds": "30"]))
        }
        try await eventually("all run, and none is unacknowledged") {
          let unacked = try await system.management.get("/api/queues/%2F/jobs.compute")
            .members?["messages_unacknowledged"]
          return system.lines(of: "starts").count == 102 && unacked == 0
        }
        let due = Timestamp.now + .seconds(20)
        let later = try await system.api.schedule(
          "life:steps", ["steps": 1], ["scheduled_at": .integer(due.milliseconds)])
        #expect(
          try await system.api.post("/jobs/\(canceling)/cancel").text("status") == "canceling")
        #expect(
          try await system.api.post("/jobs/\(suspending)/suspend").text("status") == "suspending")

        try await life.kill9()
        try await system.worker(0).kill9()
        try await system.server.kill9()
        try await system.broker.kill()
        try await system.broker.start()
        try await system.restartServer()
        try await system.startWorker()
        try await system.startLifeWorker()

        #expect(try await system.api.wait(canceling).text("status") == "canceled")
        #expect(try await system.api.wait(suspending).text("status") == "suspended")
        let end = try await system.api.wait(later)
        #expect(end.text("status") == "completed")
        guard case .integer(let started) = end["started_at"] else {
          throw NotInTime(what: "started_at")
        }
        #expect(started >= due.milliseconds)
        for id in detached {
          let end = try await system.api.waitLong(id)
          #expect(end.text("status") == "completed")
          #expect(end["attempt"] == 2)
          #expect(end["lost_workers"] == 1)
        }
        #expect(system.lines(of: "starts").count == 202)

        #expect(
          try await system.api.get("/jobs?status=suspended&page_size=1")["total"] == 101)
        for id in suspended {
          #expect(try await system.api.post("/jobs/\(id)/resume").text("status") == "waiting")
        }
        for id in suspended {
          let end = try await system.api.waitLong(id)
          #expect(end.text("status") == "completed")
          #expect(end["attempt"] == 2)
          // They went on where they were: no step was made twice, and none left out.
          #expect(system.steps(of: id) == (0..<40).map(String.init))
        }
      }
    }

    /// Jobs that were suspended when they had come some way.
    private static func suspendAtWork(
      _ count: Int, _ system: WarrenSystem
    ) async throws -> [String] {
      var ids: [String] = []
      // One after the other: none ends while others are waited for, however slow the machine is.
      for _ in 0..<count {
        let id = try await system.api.schedule("life:steps", ["steps": 40, "milliseconds": 100])
        ids.append(id)
        try await eventually("it has come some way") { !system.steps(of: id).isEmpty }
        #expect(try await system.api.post("/jobs/\(id)/suspend").status == 202)
      }
      for id in ids { #expect(try await system.api.wait(id).text("status") == "suspended") }
      return ids
    }
  }
}
