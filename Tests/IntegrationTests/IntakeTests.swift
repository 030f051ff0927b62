import Foundation
import Jobs
import TestSupport
import Testing

extension SystemTests {
  @Suite("Accepting jobs")
  struct IntakeTests {
    @Test(
      "one idempotency key, 50 times at once, is one job that runs once; with other params it is a conflict"
    )
    func idempotency() async throws {
      try await WarrenSystem.run { system in
        let key = JSONValue.string(UUID().uuidString.lowercased())
        let ids = try await withThrowingTaskGroup(of: String.self) { group in
          for _ in 0..<50 {
            group.addTask {
              try await system.api.schedule("files:note", ["number": 1], ["idempotency_key": key])
            }
          }
          return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(ids.count == 1)
        let id = try #require(ids.first)
        #expect(try await system.api.wait(id).text("status") == "completed")
        #expect(system.lines(of: "notes") == [id])

        let other = try await system.api.post(
          "/jobs", ["type": "files:note", "params": ["number": 2], "idempotency_key": key])
        #expect(other.status == 409)
        #expect(other.contentType == "application/problem+json")
        #expect(other.text("detail").contains(id))
      }
    }

    @Test(
      "pika and amqp-publish submit jobs; what cannot be accepted is kept with its reason and holds nothing up"
    )
    func producers() async throws {
      try await WarrenSystem.run { system in
        func publish(_ type: String, _ body: String) async throws {
          try await Tool.run(
            "/usr/bin/amqp-publish",
            [
              "-u", system.broker.url, "-e", "\(system.prefix).submit", "-r", "", "-p", "-H",
              "type: \(type)",
              "-b", body,
            ])
        }
        try await publish("files:unheard", "{}")
        try await publish("files:note", "{no json")
        try await publish("files:note", #"{"number": "seven"}"#)
        try await publish("files:note", #"{"number": 7}"#)
        let id = JobID().description
        try await Tool.run(
          "/usr/bin/python3",
          [
            "-c",
            """
            import os, pika, sys
            connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
            channel = connection.channel()
            channel.confirm_delivery()
            def publish(body, **properties):
                channel.basic_publish(
                    exchange=sys.argv[3] + ".submit", routing_key="any", mandatory=True, body=body,
                    properties=pika.BasicProperties(
                        type="files:note", delivery_mode=2, **properties))
            publish('{"number": "' + os.urandom(2**19).hex() + '"}')
            publish('{"number": ' + '[' * 200 + ']' * 200 + '}')
            # The same id again is the same job.
            for _ in range(2):
                publish('{"number": 8}', message_id=sys.argv[2])
            connection.close()
            """, system.broker.url, id, system.prefix,
          ])

        try await eventually("the job from Python is known") {
          try await system.api.get("/jobs/\(id)").status == 200
        }
        #expect(try await system.api.wait(id).text("status") == "completed")
        try await eventually("both good jobs have run") { system.lines(of: "notes").count == 2 }
        let expected = [
          "bad-body", "bad-body", "body-too-large", "invalid-params", "unknown-type",
        ]
        try await eventually("the others are dead letters, each with its reason") {
          try await system.deadReasons() == expected
        }
      }
    }

    @Test(
      "2,000 jobs from 16 clients, over two workers, each run exactly once while the list stays right"
    )
    func load() async throws {
      try await WarrenSystem.run(workers: 2) { system in
        let count = 2000
        try await withThrowingTaskGroup(of: Void.self) { group in
          for client in 0..<16 {
            group.addTask {
              for number in stride(from: client, to: count, by: 16) {
                _ = try await system.api.schedule("files:note", ["number": .integer(Int64(number))])
              }
            }
          }
          group.addTask {
            for _ in 0..<20 {
              let page = try await system.api.get("/jobs?page_size=10")
              guard case .integer(let total) = page["total"], case .array(let jobs) = page["jobs"]
              else {
                Issue.record("no list: \(page.body.text)")
                return
              }
              #expect(jobs.count == min(10, Int(total)))
            }
          }
          try await group.waitForAll()
        }
        try await eventually(within: .seconds(180), "all have completed") {
          try await system.api.get("/jobs?status=completed&page_size=1")["total"] == 2000
        }
        let notes = system.lines(of: "notes")
        #expect(notes.count == count)
        #expect(Set(notes).count == count)
      }
    }
  }
}
