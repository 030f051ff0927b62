import Foundation
import Testing
import WarrenTesting
import WordJobs

@testable import WordService

/// The README's jobs, tested as their authors would: without a broker.
@Suite("Counting words")
struct WordTests {
  private func withFile(_ text: String, _ body: (String) async throws -> Void) async throws {
    let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try Data(text.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    try await body(file.path)
  }

  @Test("survives the death of its worker")
  func readme() async throws {
    try await withFile("the cat and\nthe dog and the hen\n") { fixture in
      let tester = JobTester()
      tester.on(CountWords.self, countWords)
      let run = try await tester.run(
        CountWords(path: fixture), faults: .killWorker(at: .progress(2)))
      #expect(run.result?.total == 8)
      #expect(run.attempts == 2)
    }
  }

  @Test("is retried, on a clock that jumps")
  func retries() async throws {
    let tester = JobTester()
    tester.on(CountWords.self, countWords)
    let run = try await tester.run(CountWords(path: "/nonexistent"))
    #expect(run.status == .failed)
    #expect(run.attempts == 4)
    #expect(run.duration > .seconds(1))
  }

  @Test("needs a path, whoever schedules it")
  func missingParam() async throws {
    let tester = JobTester()
    tester.on(CountWords.self, countWords)
    let error = await #expect(throws: (any Error).self) {
      try await tester.run(JobSubmission(type: CountWords.job.id, params: [:]))
    }
    #expect("\(try #require(error))".contains("the parameter /path is missing"))
  }

  /// Asks another service every half minute whether it is done.
  struct Poll: JobParams {
    static let job = JobDefinition("examples:poll")
    var rounds: Int
  }

  struct Poller<C: Clock<Duration>>: JobHandler {
    let clock: C

    func run(_ params: Poll, _ job: JobContext) async throws -> NoResult {
      for _ in 0..<params.rounds {
        try await clock.sleep(for: .seconds(30))
      }
      return NoResult()
    }
  }

  @Test("jobs that wait take no time in a test")
  func clock() async throws {
    let tester = JobTester()
    tester.on(Poller(clock: tester.clock))
    let run = try await tester.run(Poll(rounds: 120))
    #expect(run.status == .completed)
    #expect(run.duration >= .seconds(3600))
  }

  @Test("what a job schedules is seen")
  func children() async throws {
    struct Album: JobParams {
      static let job = JobDefinition("examples:album")
      var paths: [String]
    }
    let tester = JobTester()
    tester.on(Album.self) { params, job in
      try await job.schedule(params.paths.map { CountWords(path: $0) })
    }
    try await tester.run(Album(paths: ["a", "b"]))
    let scheduled = try tester.scheduled(of: CountWords.self)
    #expect(scheduled.map(\.params.path) == ["a", "b"])
  }
}
