import Foundation
import Logging
import Synchronization
import WarrenTesting

/// An application's jobs, as it would have them: the params, and one function that registers the handlers.

struct CountWords: JobParams {
  static let job = JobDefinition(
    "text:words", timeout: .seconds(60), retry: .exponential(3, from: .seconds(10), jitter: 0.5),
    suspendable: true)
  static let defaults = ParamDefaults { Self(text: $0) }

  var text: String
  var top = 3

  struct Result: Codable, Hashable { var total: Int }
}

struct Notify: JobParams {
  static let job = JobDefinition("mail:notify", queue: .download)
  var address: String
}

struct Watch: JobParams {
  static let job = JobDefinition("net:watch", stallTimeout: .seconds(30))
  var rounds: Int
}

struct Failure: Error, CustomStringConvertible {
  let description: String
}

/// Counts a word for each second, saves where it is after each, and goes on from there.
struct WordCounter<Time: Clock<Duration>>: JobHandler {
  let clock: Time
  let seen: Recorder<String>

  func run(_ params: CountWords, _ job: JobContext) async throws -> CountWords.Result {
    let words = params.text.split(separator: " ").map(String.init)
    let done = try job.loadSnapshot(as: Int.self) ?? 0
    for (index, word) in words.enumerated().dropFirst(done) {
      try await clock.sleep(for: .seconds(1))
      seen.add(word)
      job.logger.info("counted", metadata: ["word": "\(word)"])
      job.progress(Double(index + 1) / Double(words.count) * 100, word)
      try await job.saveSnapshot(index + 1)
    }
    return CountWords.Result(total: words.count)
  }
}

/// What an application does at its start, for its service and for the tester alike.
func addJobs(
  to jobs: some JobRegistering, clock: some Clock<Duration>, seen: Recorder<String> = Recorder()
) {
  jobs.on(WordCounter(clock: clock, seen: seen))
}

/// What has happened, from whichever task.
final class Recorder<Element: Sendable>: Sendable {
  private let elements = Mutex<[Element]>([])

  var all: [Element] { elements.withLock(\.self) }

  @discardableResult
  func add(_ element: Element) -> Int {
    elements.withLock { elements in
      elements.append(element)
      return elements.count
    }
  }
}

/// Something that a test lets happen, and a job waits for.
final class Gate: Sendable {
  private let signals = AsyncStream.makeStream(of: Void.self)

  func open() { signals.continuation.finish() }

  func pass() async throws {
    for await _ in signals.stream {}
    try Task.checkCancellation()
  }
}
