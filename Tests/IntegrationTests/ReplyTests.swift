import Foundation
import Jobs
import TestSupport
import Testing

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
  }
}
