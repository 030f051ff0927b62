import Foundation
import Jobs
import NIOCore
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

extension SystemTests {
  /// The Hummingbird application of the examples: it schedules jobs, and runs them in the same process.
  @Suite("A web application with a job service")
  struct WebTests {
    private final class Keys: Sendable {
      private let keys = Mutex<[String]>([])
      var all: [String] { keys.withLock(\.self) }

      /// - Returns: how many there are then.
      func add(_ key: String) -> Int {
        keys.withLock { keys in
          keys.append(key)
          return keys.count
        }
      }
    }

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
        let accepted = Keys()
        await withTaskGroup(of: Void.self) { group in
          for number in 0..<400 {
            group.addTask {
              let path = "/count?path=\(text.path)&key=\(number)"
              let answer = try? await web.send(.POST, path, timeout: .seconds(60))
              guard answer?.status == 202 else { return }
              let count = accepted.add("\(number)")
              if count == 100 { try? await first.send(SIGTERM) }
            }
          }
        }
        let keys = accepted.all
        // For whoever reads why: too few were accepted.
        if keys.count < 100 { try await first.send(SIGTERM) }
        #expect(try await first.exitCode() == 0)
        #expect(keys.count >= 100)

        // What it has answered with 202 is there, though the process is gone.
        var promised: Set<String> = []
        for key in keys {
          try await eventually("the server has read the job of the key \(key)") {
            try await system.api.get("/jobs?idempotency_key=\(key)")["total"] == 1
          }
          let found = try await system.api.get("/jobs?idempotency_key=\(key)")
          guard case .array(let jobs)? = found["jobs"],
            case .string(let id)? = jobs[0].members?["id"]
          else {
            Issue.record("\(found)")
            return
          }
          promised.insert(id)
        }
        #expect(promised.count == keys.count)

        _ = try await start()
        for key in keys {
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
        #expect(jobs.count >= keys.count && jobs.count <= 400)
        // What was claimed as the service began to drain was given back unrun: that is another attempt, and no second run.
        let begun = system.workerOutput.split(separator: "\n").filter { $0.hasSuffix("begins") }
        let runs = Dictionary(grouping: begun) { line in
          line.split(separator: " ").first { $0.hasPrefix("job=") } ?? ""
        }
        #expect(runs.count == jobs.count)
        #expect(runs.values.allSatisfy { $0.count == 1 }, "each ran once")
      }
    }
  }
}
