import Foundation
import Glibc
import Jobs
import TestSupport
import Testing

extension SystemTests {
  /// A store on a file system that really runs out of room.
  @Suite("A full disk")
  struct DiskFullTests {
    /// Only root may mount a file system.
    private static let canMount = geteuid() == 0

    @Test(
      "with no room for the store nothing is acknowledged and nothing lost, and all goes on when there is room",
      .enabled(if: canMount, "it takes root to mount a small file system"))
    func noRoom() async throws {
      try await Self.withSmallDisk { disk in
        try await WarrenSystem.run(
          workers: 1, ownBroker: true, store: disk.appending(path: "warren.sqlite")
        ) { system in
          var accepted: [String] = [try await system.api.schedule("files:note")]
          #expect(try await system.api.wait(accepted[0]).text("status") == "completed")

          let filler = disk.appending(path: "filler")
          try Self.fill(filler)
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

          try FileManager.default.removeItem(at: filler)
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

    private static func withSmallDisk(_ body: (URL) async throws -> Void) async throws {
      let folder = FileManager.default.temporaryDirectory
        .appending(path: "warren-disk-\(UUID().uuidString.prefix(8))")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(at: folder) }
      let path = folder.path(percentEncoded: false)
      guard mount("tmpfs", path, "tmpfs", 0, "size=8m") == 0 else {
        throw NotInTime(what: "a mounted file system: error \(errno)")
      }
      defer { umount2(path, Int32(MNT_DETACH)) }
      try await body(folder)
    }

    /// Writes until there is no room.
    private static func fill(_ file: URL) throws {
      let descriptor = open(file.path(percentEncoded: false), O_WRONLY | O_CREAT, 0o600)
      guard descriptor >= 0 else { throw NotInTime(what: "a file: error \(errno)") }
      defer { close(descriptor) }
      let block = [UInt8](repeating: 7, count: 4_096)
      while write(descriptor, block, block.count) == block.count {}
      guard errno == ENOSPC else { throw NotInTime(what: "a full disk: error \(errno)") }
    }
  }
}
