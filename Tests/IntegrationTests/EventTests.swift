import Foundation
import Jobs
import TestSupport
import Testing

extension SystemTests {
  @Suite("Events")
  struct EventTests {
    @Test("every change of a status is published, in order, under a key that tells what happened")
    func transitions() async throws {
      try await WarrenSystem.run { system in
        let all = "\(system.prefix).test.all"
        let failures = "\(system.prefix).test.failures"
        try await Self.bind([all: "#", failures: "failed.#"], system)
        let note = try await system.api.schedule("files:note")
        #expect(try await system.api.wait(note).text("status") == "completed")
        let broken = try await system.api.schedule("files:broken")
        #expect(try await system.api.wait(broken).text("status") == "failed")

        var events: [Event] = []
        try await eventually("all events are there") {
          events = try await Self.events(in: all, system)
          return events.count == 8
        }
        #expect(
          events.map(\.key) == [
            "waiting.compute.files.note", "running.compute.files.note",
            "completed.compute.files.note",
            "waiting.compute.files.broken", "running.compute.files.broken",
            "waiting.compute.files.broken", "running.compute.files.broken",
            "failed.compute.files.broken",
          ])
        #expect(
          events.map(\.job) == Array(repeating: note, count: 3) + Array(repeating: broken, count: 5)
        )
        #expect(
          events.map(\.step) == [
            "- waiting", "waiting running", "running completed",
            "- waiting", "waiting running", "running waiting", "waiting running", "running failed",
          ])
        #expect(events.map(\.attempt) == [0, 1, 1, 0, 1, 1, 2, 2])
        #expect(zip(events, events.dropFirst()).allSatisfy { $0.sequence < $1.sequence })
        let worker = try #require(try await system.workerIDs().first)
        #expect(events.filter { $0.step == "waiting running" }.allSatisfy { $0.worker == worker })

        let failed = try await Self.events(in: failures, system)
        #expect(failed == [events[7]])
        #expect(events[7].reason?.contains("no luck") == true)
      }
    }

    private struct Event: Equatable {
      let key: String
      let job: String?
      let step: String
      let attempt: Int64
      let sequence: Int64
      let worker: String?
      let reason: String?

      init(_ message: JSONValue) throws {
        guard case .string(let key) = message.members?["routing_key"],
          case .string(let payload) = message.members?["payload"]
        else { throw NotInTime(what: "a message with a routing key and a payload") }
        let body = try JSONValue(parsing: payload.utf8)
        func text(_ name: String) -> String? {
          if case .string(let text) = body.members?[name] { text } else { nil }
        }
        func integer(_ name: String) -> Int64 {
          if case .integer(let value) = body.members?[name] { value } else { -1 }
        }
        self.key = key
        job = text("job")
        step = "\(text("from") ?? "-") \(text("to") ?? "-")"
        attempt = integer("attempt")
        sequence = integer("sequence")
        worker = text("worker")
        reason = text("reason")
      }
    }

    private static func events(in queue: String, _ system: WarrenSystem) async throws -> [Event] {
      try await system.management.messages(in: queue).map(Event.init)
    }

    /// As an operator would, with whatever client is at hand.
    private static func bind(_ queues: [String: String], _ system: WarrenSystem) async throws {
      let program = """
        import pika, sys
        connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
        channel = connection.channel()
        for queue, key in zip(sys.argv[3::2], sys.argv[4::2]):
            channel.queue_declare(queue, arguments={"x-expires": 600000})
            channel.queue_bind(queue, sys.argv[2], key)
        connection.close()
        """
      try await Tool.run(
        "/usr/bin/python3",
        ["-c", program, system.broker.url, "\(system.prefix).events"]
          + queues.flatMap { [$0.key, $0.value] })
    }
  }
}
