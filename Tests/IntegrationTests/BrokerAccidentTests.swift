import Foundation
import Jobs
import TestSupport
import Testing

extension SystemTests {
  /// What an operator, or a policy, does to the queues.
  @Suite("Accidents in the broker")
  struct BrokerAccidentTests {
    @Test("outcomes that were purged from the queue of reports are reported again")
    func purgedReports() async throws {
      try await WarrenSystem.run { system in
        let jobs = try await [
          system.api.schedule("files:answer", ["seconds": "1"]),
          system.api.schedule("files:answer", ["seconds": "2"]),
        ]
        try await eventually("both run") { system.lines(of: "starts").count == 2 }
        try await system.server.kill9()
        // They end one after the other, so that each has a message of its own.
        try await eventually("both are reported") { try await system.ready(in: "reports") >= 2 }
        try await system.broker.control("purge_queue", "\(system.prefix).reports")
        try await system.restartServer()
        for (job, seconds) in zip(jobs, [1, 2]) {
          let end = try await system.api.wait(job)
          #expect(end.text("status") == "completed")
          #expect(end.text("result").contains("slept \(seconds)"))
          #expect(end["attempt"] == 1)
        }
        #expect(system.lines(of: "starts").count == 2)
      }
    }
  }
}

extension WarrenSystem {
  /// How many messages wait in one of the system's queues. (What `rabbitmqctl` tells of a quorum queue is seconds old.)
  func ready(in queue: String) async throws -> Int {
    let program = """
      import sys, pika
      channel = pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel()
      print(channel.queue_declare(sys.argv[2], passive=True).method.message_count)
      """
    let output = try await Tool.run(
      "/usr/bin/python3", ["-c", program, broker.url, "\(prefix).\(queue)"])
    guard let count = Int(output.trimmingCharacters(in: .whitespacesAndNewlines)) else {
      throw NotInTime(what: "the number of messages in \(queue)")
    }
    return count
  }
}
