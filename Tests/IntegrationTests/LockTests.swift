import Foundation
import Jobs
import Testing

extension SystemTests {
  @Suite("Locks")
  struct LockTests {
    @Test("a job that is locked by another is freed when that one ends, or by itself")
    func release() async throws {
      try await WarrenSystem.run(workers: 0) { system in
        try await system.startLifeWorker()
        let holder = try await system.api.schedule("life:lock")
        let locked = try await system.api.schedule("life:lock", ["by": .string(holder)])
        try await system.until(locked, is: "locked")
        #expect(try await system.api.get("/jobs/\(locked)").text("locked_by") == holder)
        #expect(try await system.api.post("/jobs/\(holder)/cancel").status == 202)
        #expect(try await system.api.wait(holder).text("status") == "canceled")
        try await system.until(locked, is: "running")
        try await eventually("its callback was told") {
          system.states(of: locked) == ["running", "locked", "running"]
        }

        let brief = try await system.api.schedule(
          "life:lock", ["by": .string(locked), "unlocks": true, "milliseconds": 1])
        #expect(try await system.api.wait(brief).text("status") == "completed")

        // One that is locked can be canceled as well.
        let other = try await system.api.schedule("life:lock", ["by": .string(locked)])
        try await system.until(other, is: "locked")
        #expect(try await system.api.post("/jobs/\(other)/cancel").status == 202)
        #expect(try await system.api.wait(other).text("status") == "canceled")
        #expect(try await system.api.post("/jobs/\(locked)/cancel").status == 202)
        #expect(try await system.api.wait(locked).text("status") == "canceled")
      }
    }

    @Test("a job cannot be locked by itself, by one that has ended, or by none")
    func refusals() async throws {
      try await WarrenSystem.run(workers: 0) { system in
        try await system.startLifeWorker()
        let own = try await system.failure(lockedBy: "self")
        #expect(own.error.contains("cannot be locked by itself"))
        #expect(own.error.contains(own.id))
        let unknown = JobID().description
        #expect(try await system.failure(lockedBy: unknown).error.contains("no job \(unknown)"))
        let ended = try await system.failure(lockedBy: own.id).error
        #expect(ended.contains("\(own.id) is failed"))
      }
    }

    @Test(
      "two jobs, and a chain of five, that would wait for each other are refused by name",
      arguments: [2, 5])
    func cycles(_ length: Int) async throws {
      try await WarrenSystem.run(workers: 0) { system in
        try await system.startLifeWorker()
        // The first waits, with an id that is known; the others are locked, each by the one before.
        let first = try await system.api.schedule("life:late")
        var chain = [first]
        for _ in 1..<length {
          let next = try await system.api.schedule(
            "life:lock", ["by": .string(chain[chain.count - 1])])
          try await system.until(next, is: "locked")
          chain.append(next)
        }
        try Data(chain[chain.count - 1].utf8).write(
          to: system.folder.appending(path: "lock-\(first)"), options: .atomic)
        let end = try await system.api.wait(first)
        #expect(end.text("status") == "failed")
        let error = end.text("error")
        #expect(error.contains("wait for each other"))
        for id in chain { #expect(error.contains(id), "\(id) in \(error)") }
      }
    }
  }
}

extension WarrenSystem {
  func until(_ id: String, is status: String) async throws {
    try await eventually("\(id) is \(status)") {
      try await api.get("/jobs/\(id)").text("status") == status
    }
  }

  fileprivate func failure(lockedBy other: String) async throws -> (id: String, error: String) {
    let id = try await api.schedule("life:lock", ["by": .string(other)])
    let end = try await api.wait(id)
    #expect(end.text("status") == "failed")
    return (id, end.text("error"))
  }
}
