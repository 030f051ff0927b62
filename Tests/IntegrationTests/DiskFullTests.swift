import Foundation
import Jobs
import TestSupport
import Testing

extension SystemTests {
  /// A store on a file system that really runs out of room.
  @Suite("A full disk")
  struct DiskFullTests {
    @Test(
      "with no room for the store nothing is acknowledged and nothing lost, and all goes on when there is room",
      .enabled(if: SmallDisk.canMount, "\(SmallDisk.reason)"))
    func noRoom() async throws {
      try await SmallDisk.with(megabytes: 8) { disk in
        try await WarrenSystem.run(
          workers: 1, ownBroker: true, store: disk.folder.appending(path: "warren.sqlite")
        ) { system in
          var accepted: [String] = [try await system.api.schedule("files:note")]
          #expect(try await system.api.wait(accepted[0]).text("status") == "completed")

          try disk.fill("filler")
          // The write-ahead log may have room left in itself.
          let big = JSONValue.string(String(repeating: "x", count: 20_000))
          var refusal: API.Answer?
          for _ in 0..<500 {
            let answer = try await system.api.post(
              "/jobs", ["type": "files:checksum", "params": ["path": big]])
            guard answer.status == 202 else {
              refusal = answer
              break
            }
            accepted.append(answer.text("id"))
          }
          let refused = try #require(refusal, "the disk is not full")
          #expect(refused.status == 503)
          #expect(refused.contentType == "application/problem+json")
          #expect(refused.text("type").contains("store-unavailable"))
          #expect(try await system.api.get("/readyz").status == 503)

          // What comes through the broker stays there, unacknowledged, and is not set aside.
          let id = UUID().uuidString.lowercased()
          try await Tool.run(
            "/usr/bin/python3", ["-c", Self.publish, system.broker.url, id, "files:checksum"])
          try await eventually("it waits in the broker") {
            let queue = try await system.management.get("/api/queues/%2F/jobs.submit")
            return queue.members?["messages"] == 1
          }
          #expect(try await system.api.get("/jobs/\(id)").status == 404)
          #expect(try await system.api.post("/jobs", ["type": "files:note"]).status == 503)

          try disk.remove("filler")
          try await eventually("it is accepted again") {
            let answer = try await system.api.post("/jobs", ["type": "files:note"])
            if answer.status == 202 { accepted.append(answer.text("id")) }
            return answer.status == 202
          }
          try await eventually("the one in the broker is a job") {
            try await system.api.get("/jobs/\(id)").status == 200
          }
          for job in accepted + [id] {
            let status = try await system.api.wait(job).text("status")
            #expect(["completed", "failed"].contains(status), "\(job)")
          }
          #expect(
            try await system.api.get("/jobs?page_size=1")["total"]
              == .integer(Int64(accepted.count + 1)))
          #expect(try await system.deadReasons().isEmpty)
          #expect(
            try await system.management.get("/api/queues/%2F/jobs.dead").members?["messages"] == 0)
          #expect(try await TransitionLog(system).faults.isEmpty)
          #expect(try await system.server.isRunning)
          #expect(try await system.worker(0).isRunning)
        }
      }
    }

    private static let publish = """
      import pika, sys
      connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
      channel = connection.channel()
      channel.confirm_delivery()
      channel.basic_publish(
          "jobs.submit", "", ('{"path": "' + "x" * 20000 + '"}').encode(),
          pika.BasicProperties(type=sys.argv[3], message_id=sys.argv[2], delivery_mode=2), mandatory=True)
      connection.close()
      """
  }
}
