import Foundation
import Warren
import WordJobs

let broker = ProcessInfo.processInfo.environment["WARREN_BROKER"] ?? "amqp://127.0.0.1/"
try await JobService.connect(broker: broker) { jobs in
  let words = try await jobs.schedule(CountWords(path: CommandLine.arguments[1])).result()
  print("\(words.total) words, most of them \(words.mostFrequent.joined(separator: ", "))")
}
