import Foundation
import JobWorker
import Jobs

struct Input: Codable {
  var path = ""
  var top = 3
}

struct Words: Codable {
  var total: Int
  var mostFrequent: [String]
}

@main
struct WordService {
  static func main() async throws {
    let words = try JobType(
      group: try JobGroup("text", queue: .compute), name: "words", params: Input(),
      timeout: .seconds(60), retry: RetryPolicy(maxRetries: 3, delay: .seconds(1))
    ) { input, job in
      let lines = try String(contentsOfFile: input.path, encoding: .utf8).split(separator: "\n")
      var counts: [String: Int] = [:]
      for (number, line) in lines.enumerated() {
        try Task.checkCancellation()
        try job.progress(Double(number) / Double(lines.count) * 100, "line \(number + 1)")
        for word in line.lowercased().split(whereSeparator: { !$0.isLetter }) {
          counts[String(word), default: 0] += 1
        }
      }
      let ranking = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      return Words(
        total: counts.values.reduce(0, +), mostFrequent: ranking.prefix(input.top).map(\.key))
    }
    let broker = ProcessInfo.processInfo.environment["WARREN_BROKER"] ?? "amqp://127.0.0.1/"
    try await JobWorker.run(broker: broker, types: [RegisteredJobType(words)])
  }
}
