import Foundation
import Jobs
import TestSupport
import Testing
import Warren

extension SystemTests {
  @Suite("Replies")
  struct ReplyTests {
    @Test(
      "a producer that gives reply_to is sent the final job, by way of a queue and of direct reply-to"
    )
    func replies() async throws {
      try await WarrenSystem.run { system in
        let program = """
          import json, sys, uuid, pika
          connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
          channel = connection.channel()
          own = channel.queue_declare("", exclusive=True).method.queue
          direct = "amq.rabbitmq.reply-to"
          answers = {}
          def take(channel, method, properties, body):
              job = json.loads(body)
              answers[properties.correlation_id] = (job["status"], job["type"])
              if len(answers) == 2: channel.stop_consuming()
          channel.basic_consume(own, take, auto_ack=True)
          channel.basic_consume(direct, take, auto_ack=True)
          for name, address in ("queue", own), ("direct", direct):
              channel.basic_publish(
                  sys.argv[2] + ".submit", "", b"{}",
                  pika.BasicProperties(
                      type="files:note", delivery_mode=2, reply_to=address, correlation_id=name))
          connection.call_later(30, channel.stop_consuming)
          channel.start_consuming()
          for name in sorted(answers): print(name, *answers[name])
          """
        let output = try await Tool.run(
          "/usr/bin/python3", ["-c", program, system.broker.url, system.prefix])
        #expect(output == "direct completed files:note\nqueue completed files:note\n")
      }
    }

    @Test(
      "whoever waits while the server has not read the jobs yet is told of each end, and need not ask again"
    )
    func endsOfNewJobs() async throws {
      struct Note: JobParams {
        static let job = JobDefinition("files:note")
      }
      try await WarrenSystem.run { system in
        try await JobService.connect(broker: system.broker.url, prefix: system.prefix) { jobs in
          for _ in 0..<5 {
            let handles = try await jobs.schedule(Array(repeating: Note(), count: 150))
            try await withThrowingTaskGroup(of: Void.self) { group in
              for handle in handles {
                // What is lost is asked for after a minute.
                group.addTask { try await handle.result(within: .seconds(55)) }
              }
              try await group.waitForAll()
            }
          }
        }
      }
    }

    @Test("pika asks about jobs, is told of an end, and watches one")
    func lookups() async throws {
      try await WarrenSystem.run { system in
        let program = """
          import json, sys, uuid, pika
          connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
          channel = connection.channel()
          own = channel.queue_declare("", exclusive=True).method.queue
          prefix, job = sys.argv[2], str(uuid.uuid4())
          def ask(body, name):
              channel.basic_publish(
                  "", prefix + ".requests", json.dumps(body),
                  pika.BasicProperties(reply_to=own, correlation_id=name))
          seen = set()
          def take(channel, method, properties, body):
              name, told = properties.correlation_id, json.loads(body)
              if name == "known":
                  # The server may not have read the job message yet.
                  if told["jobs"][0] is None:
                      connection.call_later(0.1, lambda: ask({"get": [job]}, "known"))
                      return
                  ask({"get_key": "order-7"}, "key")
                  ask({"tell_end": [job]}, "asked")
                  ask({"watch": job, "seconds": 30}, "watch")
                  ask({"get": "nonsense"}, "bad")
              elif name == "bad": seen.add("bad: " + str("error" in told))
              elif name == "key": seen.add("key: " + str(told["jobs"][0]["id"] == job))
              elif name == "watch":
                  if told["jobs"][0]["status"] == "completed": seen.add("watched")
              elif name == job: seen.add("told: " + told["status"])
              if len(seen) == 4: channel.stop_consuming()
          channel.basic_consume(own, take, auto_ack=True)
          channel.basic_publish(
              prefix + ".submit", "", b"{}",
              pika.BasicProperties(
                  type="files:note", message_id=job, headers={"idempotency-key": "order-7"}))
          ask({"get": [job]}, "known")
          connection.call_later(30, channel.stop_consuming)
          channel.start_consuming()
          print(", ".join(sorted(seen)))
          """
        let output = try await Tool.run(
          "/usr/bin/python3", ["-c", program, system.broker.url, system.prefix])
        #expect(output == "bad: True, key: True, told: completed, watched\n")
      }
    }
  }
}
