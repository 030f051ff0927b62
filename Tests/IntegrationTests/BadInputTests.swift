import Foundation
import Jobs
import NIOHTTP1
import Testing

extension SystemTests {
  @Suite("Bad input")
  struct BadInputTests {
    @Test("every mistake of an HTTP client gets a problem of its own that names it")
    func http() async throws {
      try await WarrenSystem.run(workers: 0) { system in
        let api = system.api
        let big = String(repeating: "x", count: 2 << 20)
        let cases: [(request: String, answer: API.Answer, status: Int, says: [String])] = [
          (
            "unknown type", try await api.post("/jobs", ["type": "files:chekcsum"]), 422,
            ["files:chekcsum", "files:checksum", "files:note"]
          ),
          (
            "malformed JSON", try await api.send(.POST, "/jobs", Array(#"{"type": "#.utf8)), 400,
            ["JSON"]
          ),
          (
            "a param of the wrong type",
            try await api.post("/jobs", ["type": "files:note", "params": ["number": "one"]]), 422,
            ["number"]
          ),
          (
            "an unknown param",
            try await api.post("/jobs", ["type": "files:note", "params": ["nmber": 1]]), 422,
            ["nmber"]
          ),
          ("a bad id", try await api.get("/jobs/xyz"), 400, ["xyz"]),
          (
            "a bad key",
            try await api.post("/jobs", ["type": "files:note", "idempotency_key": ""]), 400,
            ["idempotency_key"]
          ),
          (
            "too large a body",
            try await api.post("/jobs", ["type": "files:note", "params": ["x": .string(big)]]), 413,
            ["1048576"]
          ),
          ("a bad page", try await api.get("/jobs?page=0"), 400, ["page"]),
          ("a bad order", try await api.get("/jobs?order=size"), 400, ["order", "created_at"]),
          ("a bad status", try await api.get("/jobs?status=done"), 400, ["status", "completed"]),
          ("no such job", try await api.get("/jobs/\(JobID())"), 404, ["job"]),
          ("no such path", try await api.get("/job"), 404, ["/job"]),
          ("a bad method", try await api.delete("/queues"), 405, ["GET"]),
        ]
        for (request, answer, status, says) in cases {
          #expect(answer.status == status, "\(request)")
          #expect(answer.contentType == "application/problem+json", "\(request)")
          #expect(answer["status"] == .integer(Int64(status)), "\(request)")
          for word in says {
            #expect(answer.body.text.contains(word), "\(request): \(answer.body.text)")
          }
        }
        #expect(try await system.rows().isEmpty)
      }
    }

    @Test("the command line tells each mistake in a line, and by its exit code")
    func commandLine() async throws {
      try await WarrenSystem.run(workers: 0) { system in
        let unknown = try await system.warren("schedule", "files:chekcsum")
        #expect(unknown.exitCode == 4)
        #expect(unknown.output.contains("files:checksum"))
        let param = try await system.warren("schedule", "files:note", "--param", "number=one")
        #expect(param.exitCode == 2)
        #expect(param.output.contains("number"))
        let usage = try await system.warren("get", "xyz")
        #expect(usage.exitCode == 2)
        #expect(usage.output.contains("xyz"))
        let missing = try await system.warren("get", "\(JobID())")
        #expect(missing.exitCode == 4)
        let nobody = try await system.warren(
          "list", "--server", "http://127.0.0.1:1")
        #expect(nobody.exitCode == 3)
        #expect(nobody.output.contains("127.0.0.1:1"))
      }
    }

    @Test("a wrong configuration is refused with file, line and key")
    func configuration() async throws {
      try await WarrenSystem.run(workers: 0) { system in
        let file = system.folder.appending(path: "wrong.yaml")
        try Data("http: {port: 8080}\nqueues:\n  compute: {capcity: 1}\n".utf8).write(to: file)
        for command in [["config", "check"], ["serve"], ["worker"]] {
          let answer = try await system.run(
            WarrenSystem.program("warren"), command + ["--config", file.path])
          #expect(answer.exitCode == 5, "\(command)")
          #expect(
            answer.output.contains("\(file.path):3:13: queues.compute.capcity"),
            "\(command): \(answer.output)")
        }
      }
    }
  }
}
