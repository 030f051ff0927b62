import Foundation
import JobClient
import Jobs

@main
struct Producer {
  static func main() async throws {
    let broker = ProcessInfo.processInfo.environment["WARREN_BROKER"] ?? "amqp://127.0.0.1/"
    let words = try JobTypeID("text:words")
    let submissions = CommandLine.arguments.dropFirst().map { path in
      JobSubmission(type: words, params: ["path": .string(path)])
    }
    let ids = try await JobProducer.connect(broker: broker) { producer in
      try await producer.schedule(submissions)
    }
    for id in ids { print(id) }
  }
}
