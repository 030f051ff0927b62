import Foundation
import Jobs
import TestSupport
import Testing

extension SystemTests {
  /// The Hummingbird application of the examples: it schedules jobs, and runs them in the same process.
  @Suite("A web application with a job service")
  struct WebTests {
    @Test("it shuts down under load, and no job is lost or run twice")
    func shutdown() async throws {
      try await WarrenSystem.run(workers: 0) { system in
        let text = system.folder.appending(path: "text.txt")
        try Data("one two three\n".utf8).write(to: text)
        let port = try FreePorts.find(1)[0]
        let web = API(base: "http://127.0.0.1:\(port)")
        func start() async throws -> ChildProcess {
          let process = try await system.startWorker(
            WarrenSystem.program("Web"), [], environment: ["PORT": "\(port)"])
          try await eventually("it is ready") {
            (try? await web.get("/ready").status) == 200
          }
          return process
        }
        let first = try await start()
        // Some come before the end, some while it ends, and some meet nobody.
        let accepted = await withTaskGroup(of: String?.self) { group in
          for number in 0..<400 {
            group.addTask {
              let answer = try? await web.post("/count?path=\(text.path)&key=\(number)")
              return answer?.status == 202 ? "\(number)" : nil
            }
            if number == 200 {
              group.addTask {
                try? await first.send(SIGTERM)
                return nil
              }
            }
          }
          return await group.reduce(into: [String]()) { keys, key in
            if let key { keys.append(key) }
          }
        }
        #expect(try await first.exitCode() == 0)
        #expect(accepted.count > 50, "some were accepted")

        _ = try await start()
        for key in accepted {
          // Asked for once more, it is the same job.
          let again = try await web.post("/count?path=\(text.path)&key=\(key)")
          #expect(again.status == 202)
        }
        try await eventually("all have ended") {
          try await system.api.get("/jobs?status=waiting,running&page_size=1")["total"] == 0
        }
        let total = try await system.api.get("/jobs?page_size=1")["total"]
        let completed = try await system.api.get("/jobs?status=completed&page_size=1000")
        #expect(completed["total"] == total)
        guard case .array(let jobs) = completed["jobs"] else {
          Issue.record("\(completed)")
          return
        }
        #expect(jobs.count >= accepted.count && jobs.count <= 400)
        #expect(jobs.allSatisfy { $0.members?["attempt"] == 1 }, "each ran once")
      }
    }
  }
}
