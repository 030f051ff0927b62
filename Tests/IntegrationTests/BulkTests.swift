import Foundation
import Jobs
import NIOHTTP1
import TestSupport
import Testing

extension SystemTests {
  @Suite("Many jobs at once")
  struct BulkTests {
    /// How many jobs; 100,000 is what operators have, and takes some minutes.
    private static let count =
      ProcessInfo.processInfo.environment["WARREN_BULK_JOBS"].flatMap(Int.init) ?? 10_000
    private static let later: JSONValue = .integer(
      (Timestamp.now + .seconds(86_400)).milliseconds)

    /// Jobs for tomorrow, so that no worker takes them.
    private func schedule(_ count: Int, _ api: API) async throws {
      let job: JSONValue = [
        "type": "files:note", "params": ["number": 1], "scheduled_at": Self.later,
      ]
      let batch = Array(
        JSONValue.array(Array(repeating: job, count: min(count, 1000))).text.utf8)
      for _ in 0..<count / min(count, 1000) {
        let answer = try await api.send(.POST, "/jobs/batch", batch)
        guard answer.status == 200 else { throw API.Refused(answer: answer) }
      }
    }

    private func number(_ answer: API.Answer, _ member: String) -> Int {
      if case .integer(let number) = answer[member] { Int(number) } else { -1 }
    }

    @Test("a bulk cancel of many jobs goes on after kill -9, and each is canceled once")
    func killed() async throws {
      try await WarrenSystem.run(workers: 0) { system in
        try await schedule(Self.count, system.api)
        let body: JSONValue = [
          "action": "cancel", "filter": ["type": "files:note", "status": ["waiting"]],
          "reason": "all of them",
        ]
        let dry = try await system.api.post(
          "/jobs/bulk", .object((body.members ?? [:]).merging(["dry_run": true]) { $1 }))
        #expect(number(dry, "matching") == Self.count)

        let begun = try await system.api.post("/jobs/bulk", body)
        #expect(begun.status == 202)
        let path = "/operations/\(begun.text("id"))"
        // Killed several times, each time somewhere between here and the end.
        for part in 1...3 {
          try await eventually("it has come some way") {
            let now = try await system.api.get(path)
            // Others are answered meanwhile.
            let start = ContinuousClock.now
            #expect(try await system.api.post("/jobs", ["type": "files:checksum"]).status == 202)
            #expect(ContinuousClock.now - start < .seconds(5))
            return number(now, "done") >= part * Self.count / 5
          }
          try await system.server.kill9()
          try await system.restartServer()
          #expect(try await system.api.get(path).text("status") == "running")
        }
        try await eventually(within: .seconds(120), "it ends") {
          try await system.api.get(path).text("status") == "completed"
        }
        let end = try await system.api.get(path)
        #expect(number(end, "matching") == Self.count)
        #expect(number(end, "done") == Self.count)
        #expect(number(end, "skipped") == 0)
        #expect(number(end, "failed") == 0)

        let program = """
          import sqlite3, sys
          store = sqlite3.connect(sys.argv[1])
          print(store.execute("SELECT count(*), count(DISTINCT job) FROM event WHERE to_status = 9").fetchone())
          print(store.execute("SELECT sum(jobs) FROM job_count WHERE status = 9").fetchone())
          """
        let output = try await Tool.run("/usr/bin/python3", ["-c", program, system.store.path])
        #expect(output == "(\(Self.count), \(Self.count))\n(\(Self.count),)\n")
        let log = try await system.api.get("/jobs?status=canceled&page_size=1")
        #expect(number(log, "total") == Self.count)
      }
    }

    @Test("the command line retries jobs, and shows, begins and cancels operations")
    func commands() async throws {
      try await WarrenSystem.run(workers: 0) { system in
        try await schedule(400, system.api)
        let counted = try await system.warren(
          "bulk", "cancel", "--type", "files:note", "--dry-run")
        #expect(counted.exitCode == 0, "\(counted.output)")
        #expect(counted.output.contains("400 jobs are meant"))
        let unsure = try await system.warren("bulk", "cancel", "--type", "files:note")
        #expect(unsure.exitCode == 2, "\(unsure.output)")
        #expect(unsure.output.contains("--yes"))

        let slow = try await system.warren(
          "bulk", "cancel", "--type", "files:note", "--rate", "1", "--yes", "--json")
        #expect(slow.exitCode == 0, "\(slow.output)")
        let operation = try JSONValue(parsing: slow.output.utf8).members?["id"]
        guard case .string(let id) = operation else {
          Issue.record("\(slow.output)")
          return
        }
        let list = try await system.warren("operations")
        #expect(list.exitCode == 0, "\(list.output)")
        #expect(list.output.contains(id))
        let stopped = try await system.warren("operations", "cancel", id)
        #expect(stopped.exitCode == 0, "\(stopped.output)")
        #expect(stopped.output.contains("is canceled"))

        let rest = try await system.warren("bulk", "cancel", "--all", "--yes", "--wait")
        #expect(rest.exitCode == 0, "\(rest.output)")
        #expect(rest.output.contains("is completed"))
        let jobs = try await system.api.get("/jobs?status=canceled&page_size=2")
        #expect(number(jobs, "total") == 400)

        guard case .array(let two) = jobs["jobs"] else {
          Issue.record("\(jobs.body.text)")
          return
        }
        let ids = two.compactMap { job in
          if case .string(let id) = job.members?["id"] { id } else { nil }
        }
        let retried = try await system.warren("retry", ids[0], ids[1])
        #expect(retried.exitCode == 0, "\(retried.output)")
        #expect(retried.output.contains("\(ids[0]) -> "))
        let again = try await system.warren("retry", ids[0], UUID().uuidString)
        #expect(again.exitCode == 4, "\(again.output)")
        #expect(again.output.contains("retried before"))
        #expect(again.output.contains("there is no job"))
      }
    }
  }
}
