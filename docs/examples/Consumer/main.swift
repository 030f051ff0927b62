import Foundation
import Warren
import WordJobs

func countWords(_ params: CountWords, _ job: JobContext) async throws -> CountWords.Result {
  let lines = try String(contentsOfFile: params.path, encoding: .utf8).split(separator: "\n")
  var counts: [String: Int] = [:]
  for (number, line) in lines.enumerated() {
    try Task.checkCancellation()
    job.progress(Double(number) / Double(lines.count) * 100, "line \(number + 1)")
    for word in line.lowercased().split(separator: " ") { counts[String(word), default: 0] += 1 }
  }
  let ranking = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
  return .init(total: counts.values.reduce(0, +), mostFrequent: Array(ranking.prefix(params.top)))
}

let jobs = try JobService()
jobs.on(CountWords.self, countWords)
try await jobs.runUntilSignal()
