import Foundation
import Jobs
import Testing

extension SystemTests {
  @Suite("Server and worker in one process")
  struct OneProcessTests {
    @Test("jobs run, and SIGTERM lets the running one end before the server goes")
    func withWorker() async throws {
      try await WarrenSystem.run(workers: 0, serve: ["--with-worker"]) { system in
        let note = try await system.warren("schedule", "files:note", "--wait")
        #expect(note.exitCode == 0, "\(note.output)")
        #expect(system.lines(of: "notes").count == 1)
        #expect(try await system.workerIDs().count == 1)

        _ = try await system.api.schedule("files:sleep", ["seconds": "1"])
        try await eventually("it runs") { system.lines(of: "starts").count == 1 }
        try await system.server.send(SIGTERM)
        #expect(try await system.server.exitCode() == 0)
        #expect(
          try await system.rows() == [
            "files:note compute completed", "files:sleep compute completed",
          ])
      }
    }
  }
}
