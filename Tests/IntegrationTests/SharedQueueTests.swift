import Foundation
import Jobs
import Testing

extension SystemTests {
  @Suite("Services that share a queue")
  struct SharedQueueTests {
    private static let configuration = """
      queues:
        download: {capacity: 4}
      groups:
        files: {queue: download}
      types:
        - name: note
          group: files
          command: [sh, -c, 'echo "$WARREN_JOB_ID" >> "$FOLDER/notes"']
          environment: {FOLDER: "%FOLDER%"}
      """

    @Test("the jobs of a service that is away hold up no others, and run when it comes")
    func away() async throws {
      try await WarrenSystem.run(Self.configuration) { system in
        // The server learns its types from it.
        let other = try await system.startLifeWorker()
        try await other.send(SIGTERM)
        #expect(try await other.exitCode() == 0)

        var waiting: [String] = []
        for _ in 0..<300 { waiting.append(try await system.api.schedule("life:stamp")) }
        let queue = "/api/queues/%2F/\(system.prefix).download"
        try await eventually("the worker that can run none of them leaves the queue") {
          let members = try await system.management.get(queue).members
          return members?["consumers"] == 0 && members?["messages_unacknowledged"] == 0
        }
        for _ in 0..<3 {
          var ids: [String] = []
          for _ in 0..<20 { ids.append(try await system.api.schedule("files:note")) }
          for id in ids {
            #expect(try await system.api.wait(id).text("status") == "completed")
          }
        }
        #expect(
          try await system.api.get("/jobs?type=life:stamp&status=waiting")["total"] == 300)

        try await system.startLifeWorker()
        for id in waiting {
          let job = try await system.api.wait(id)
          #expect(job.text("status") == "completed")
          #expect(job["attempt"] == 1)
        }
        #expect(system.lines(of: "notes").count == 60)
      }
    }
  }
}
