import Warren
import WordJobs

try await JobService.connect { jobs in
  let words = try await jobs.schedule(CountWords(path: CommandLine.arguments[1])).result()
  print("\(words.total) words, most of them \(words.mostFrequent.joined(separator: ", "))")
}
