import Foundation
import Jobs
import TestSupport
import Testing
import Warren

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

    @Test("of what a delivery limit throws out of the intake, nothing is lost")
    func deliveryLimit() async throws {
      try await WarrenSystem.run(workers: 0, ownBroker: true) { system in
        try await system.broker.control(
          "set_policy", "--apply-to", "queues", "limit", #"^jobs\.submit$"#,
          #"{"delivery-limit": 3}"#)
        try await system.server.kill9()
        let type = try JobTypeID("files:note")
        let portions = (0..<10).map { _ in (0..<300).map { _ in JobID() } }
        for (number, portion) in portions.enumerated() {
          try await JobService.connect(broker: system.broker.url) { producer in
            _ = try await producer.submit(portion.map { JobSubmission(type: type, id: $0) })
          }
          // These are over the limit for certain; of the others it depends on the moments of the kills.
          if number == 0 { try await system.crashConsumer(times: 4, holding: 100) }
          try system.startServer()
          try await eventually("the server reads the intake") {
            try await system.consumers(of: "submit") > 0
          }
          try await Task.sleep(for: .milliseconds(Int.random(in: 0...100)))
          try await system.server.kill9()
        }
        try await system.restartServer()
        try await eventually(within: .seconds(60), "the intake is empty") {
          try await system.ready(in: "submit") == 0
        }
        let ids = Set(portions.joined().map(\.description))
        var jobs: Set<String> = []
        var dead: [String: String] = [:]
        try await eventually(within: .seconds(60), "what was read is stored") {
          jobs = try await system.jobIDs()
          dead = try await system.deadLetters()
          return jobs.count + dead.count >= ids.count
        }
        #expect(jobs.union(dead.keys) == ids)
        #expect(dead.count >= 100)
        #expect(Set(dead.values) == ["delivery_limit jobs.submit"])
      }
    }

    @Test("a work queue whose process is gone is made anew, and its jobs run")
    func brokenQueue() async throws {
      try await WarrenSystem.run(ownBroker: true) { system in
        let before = try await system.api.schedule("files:short")
        #expect(try await system.api.wait(before).text("status") == "completed")
        // As a deletion leaves it that a crash of the broker cuts short: it is there, takes nothing, and whoever consumes from it
        // loses the connection.
        try await system.broker.control(
          "eval", "ra:force_delete_server(quorum_queues, {'%2F_jobs.compute', node()}).")
        try await system.broker.control("close_all_connections", "maintenance")
        for _ in 0..<3 {
          let job = try await system.api.schedule("files:short")
          #expect(try await system.api.wait(job).text("status") == "completed")
        }
        #expect(try await system.server.isRunning)
        #expect(try await system.worker(0).isRunning)
      }
    }

    @Test("a worker that ends while the broker is away is missed, and leaves nothing behind")
    func workerEndsWithBroker() async throws {
      try await WarrenSystem.run(ownBroker: true) { system in
        let id = try await system.api.schedule("files:sleep")
        try await eventually("it runs") { system.lines(of: "starts").count == 1 }
        try await system.broker.stop()
        try await system.worker(0).kill9()
        try await system.broker.start()
        try await eventually(within: .seconds(60), "it waits again, and its worker is off the list")
        {
          let job = try await system.api.get("/jobs/\(id)")
          let workers = try await system.workerIDs()
          return job.text("status") == "waiting" && job["lost_workers"] == 1 && workers.isEmpty
        }
        try await eventually("its lease is gone") {
          try await !system.broker.control("list_queues", "-q", "name").contains(".lease.")
        }
      }
    }

    @Test("a worker holds its lease again after a restart of the broker")
    func leaseOutlastsBroker() async throws {
      try await WarrenSystem.run(ownBroker: true) { system in
        let worker = try #require(try await system.workerIDs().first)
        for _ in 0..<2 {
          try await system.broker.kill()
          try await system.broker.start()
          try await eventually("the worker holds the lease, and the server stands second") {
            let queues = try await system.broker.control(
              "list_queues", "-q", "name", "messages_ready", "messages_unacknowledged", "consumers")
            return queues.contains("jobs.lease.\(worker)\t0\t1\t2")
          }
        }
        try await system.worker(0).kill9()
        // Within the time in which workers may come back after the broker.
        try await eventually(within: .seconds(30), "the worker is off the list") {
          try await system.workerIDs().isEmpty
        }
      }
    }
  }
}

extension WarrenSystem {
  /// How many messages wait in one of the system's queues. (What `rabbitmqctl` tells of a quorum queue is seconds old.)
  func ready(in queue: String) async throws -> Int {
    try await inspect(queue, "message_count")
  }

  func consumers(of queue: String) async throws -> Int {
    try await inspect(queue, "consumer_count")
  }

  private func inspect(_ queue: String, _ number: String) async throws -> Int {
    let output = try await python(
      """
      print(channel.queue_declare(sys.argv[2], passive=True).method.\(number))
      """, "\(prefix).\(queue)")
    guard let count = Int(output.trimmingCharacters(in: .whitespacesAndNewlines)) else {
      throw NotInTime(what: "\(number) of \(queue)")
    }
    return count
  }

  /// Takes the first messages of the intake, and ends without a word; again and again.
  fileprivate func crashConsumer(times: Int, holding count: Int) async throws {
    for _ in 0..<times {
      _ = try await python(
        """
        import os
        channel.basic_qos(prefetch_count=int(sys.argv[3]))
        held = 0
        for _ in channel.consume(sys.argv[2], inactivity_timeout=20):
            held += 1
            if held == int(sys.argv[3]): break
        os._exit(0)
        """, "\(prefix).submit", String(count))
    }
  }

  /// All dead letters, read from the store's file itself: why each is there and where it comes from, by its message id.
  fileprivate func deadLetters() async throws -> [String: String] {
    let program = """
      import json, sqlite3, sys
      for properties, reason, queue in sqlite3.connect(sys.argv[1]).execute(
          "SELECT properties, reason, found_in FROM dead_letter"):
          print(json.loads(properties)["message_id"], reason, queue)
      """
    let output = try await Tool.run(
      "/usr/bin/python3", ["-c", program, folder.appending(path: "warren.sqlite").path])
    return Dictionary(
      output.split(separator: "\n").map { line in
        let words = line.split(separator: " ", maxSplits: 1).map(String.init)
        return (words[0], words[1])
      }, uniquingKeysWith: { $1 })
  }

  /// The ids of all jobs, read from the store's file itself.
  fileprivate func jobIDs() async throws -> Set<String> {
    let program = """
      import sqlite3, sys, uuid
      for (id,) in sqlite3.connect(sys.argv[1]).execute("SELECT id FROM job"):
          print(uuid.UUID(bytes=id))
      """
    let output = try await Tool.run(
      "/usr/bin/python3", ["-c", program, folder.appending(path: "warren.sqlite").path])
    return Set(output.split(separator: "\n").map(String.init))
  }

  private func python(_ program: String, _ arguments: String...) async throws -> String {
    let connect = """
      import sys, pika
      channel = pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel()

      """
    return try await Tool.run(
      "/usr/bin/python3", ["-c", connect + program, broker.url] + arguments)
  }
}
