import Foundation
import Synchronization
import TestSupport
import Testing

/// What an input showed that should not be.
struct Finding: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Feeds a decoder with the corpus, and then for its time with what a mutator makes of it.
///
/// An input stands in the corpus's folder as `running` while it is tried. One that ends the process stays there, and is kept
/// as `crash-…` by the next run, which tries it first.
struct Fuzzer {
  /// CPU time, in seconds, that an input may take in a debug build: in proportion to its size, so that it is found when one
  /// takes more than that.
  static func mostTime(_ size: Int) -> Double { 2 + Double(size) / 32_768 }
  /// After so long the process is ended, so that the input is found.
  static let hang = 60.0
  /// More than so many inputs have to be tried, or a run is too slow to find anything. A short one may go on for them, up to
  /// the usual time.
  static let fewest = 10
  /// What is changed most of the time has no more bytes than that.
  static let small = 8 << 10
  /// How much the resident memory's peak may grow, in KiB.
  static let mostMemory = 512 << 10

  let name: String
  var tokens: [String] = []
  var nests: [(String, String)] = []
  var limit = 64 << 10
  /// Makes an input of its own, where bytes alone would not get far; `nil` leaves it to the mutator.
  var make: (([[UInt8]], inout SeededGenerator) -> [UInt8]?)?

  /// - Parameter check: throws a ``Finding`` (or anything else) when something is wrong.
  func run(_ check: ([UInt8], inout SeededGenerator) throws -> Void) throws {
    let budget = FuzzBudget.current
    budget.announce(name)
    let corpus = try Corpus(name)
    // Each has its own numbers, whichever others run.
    var generator = SeededGenerator(
      seed: name.utf8.reduce(budget.seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
    // A large input takes seconds in a debug build: were each as likely as a small one, hardly any would be tried.
    let small = corpus.inputs.filter { $0.count <= Self.small }
    let (whole, mostly) = (mutator(of: corpus.inputs), mutator(of: small))
    let watchdog = Watchdog(name)
    defer { watchdog.end() }
    let memory = Self.peakMemory()
    for input in corpus.inputs { try attempt(input, corpus, watchdog, &generator, check) }
    let begin = ContinuousClock.now
    var count = 0
    while begin.duration(to: .now) < (count > Self.fewest ? budget.time : budget.longest) {
      let mutator = small.isEmpty || generator.chance(32) ? whole : mostly
      let input = make?(mutator.corpus, &generator) ?? mutator.mutated(&generator)
      try attempt(input, corpus, watchdog, &generator, check)
      count += 1
    }
    try corpus.done()
    print("fuzzing \(name): \(count) inputs")
    #expect(count > Self.fewest, "too slow to find anything")
    let grown = Self.peakMemory() - memory
    #expect(grown < Self.mostMemory, "\(name): the memory's peak has grown by \(grown) KiB")
  }

  private func mutator(of corpus: [[UInt8]]) -> Mutator {
    Mutator(corpus: corpus, tokens: tokens, nests: nests, limit: limit)
  }

  private func attempt(
    _ input: [UInt8], _ corpus: Corpus, _ watchdog: Watchdog,
    _ generator: inout SeededGenerator,
    _ check: ([UInt8], inout SeededGenerator) throws -> Void
  ) throws {
    try corpus.running(input)
    let begin = Self.cpuTime()
    watchdog.begin()
    do {
      try check(input, &generator)
    } catch {
      let file = try corpus.keep(input)
      Issue.record(
        "\(name): \(String(describing: error).prefix(2_000))\ninput \(file): \(Self.shown(input))")
    }
    watchdog.pause()
    let taken = Self.cpuTime() - begin
    if taken > Self.mostTime(input.count) {
      let file = try corpus.keep(input)
      Issue.record("\(name): \(taken) s of CPU time for \(file): \(Self.shown(input))")
    }
  }

  static func shown(_ input: [UInt8]) -> String {
    String(decoding: input.prefix(300), as: UTF8.self).debugDescription
  }

  /// Of this thread, in seconds: others may use the machine meanwhile.
  private static func cpuTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  private static func peakMemory() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss
  }
}

/// The longest description that an error may have: whoever sends something must not fill the logs with it.
let mostOfADescription = 1_024

/// Throws when an error's description is too long to be logged.
func checkBounded(_ error: any Error) throws {
  let text = "\(error)"
  guard text.utf8.count <= mostOfADescription else {
    throw Finding("a description of \(text.utf8.count) bytes: \(text.prefix(200))")
  }
}

/// What `body` makes, or `nil` when it refuses, in few words.
func attempt<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws -> Value? {
  do {
    return try body()
  } catch {
    try checkBounded(error)
    return nil
  }
}

/// The committed inputs of one fuzzer, a file each.
struct Corpus {
  let inputs: [[UInt8]]
  private let folder: URL
  private let current: FileHandle

  init(_ name: String) throws {
    folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Corpus/\(name)")
    let running = folder.appending(path: "running")
    let manager = FileManager.default
    try manager.createDirectory(at: folder, withIntermediateDirectories: true)
    if let left = try? Data(contentsOf: running), !left.isEmpty {
      // A run before this one did not survive it.
      try left.write(to: folder.appending(path: Self.name(of: Array(left))))
    }
    inputs = try manager.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .filter { $0.lastPathComponent != "running" }
      .sorted {
        ($0.lastPathComponent.hasPrefix("crash") ? 0 : 1, $0.lastPathComponent)
          < ($1.lastPathComponent.hasPrefix("crash") ? 0 : 1, $1.lastPathComponent)
      }
      .map { Array(try Data(contentsOf: $0)) }
    try Data().write(to: running)
    current = try FileHandle(forUpdating: running)
  }

  private static func name(of input: [UInt8]) -> String {
    let hash = input.reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01B3
    }
    return "crash-\(String(hash, radix: 16))"
  }

  /// Notes the input that is tried now.
  func running(_ input: [UInt8]) throws {
    guard ftruncate(current.fileDescriptor, off_t(input.count)) == 0,
      pwrite(current.fileDescriptor, input, input.count, 0) == input.count
    else { throw Finding("the corpus cannot be written: error \(errno)") }
  }

  /// Keeps an input that showed something. Returns the file's name.
  func keep(_ input: [UInt8]) throws -> String {
    let name = Self.name(of: input)
    try Data(input).write(to: folder.appending(path: name))
    return name
  }

  /// No input has ended the process.
  func done() throws {
    try FileManager.default.removeItem(at: folder.appending(path: "running"))
  }
}

/// Ends the process when an input takes for ever: its thread cannot be ended alone.
private final class Watchdog: Sendable {
  private let state = Mutex<(since: ContinuousClock.Instant?, isOver: Bool)>((nil, false))

  init(_ name: String) {
    // A thread: the pool's may all be busy with what is watched.
    Thread.detachNewThread { [self] in
      while true {
        Thread.sleep(forTimeInterval: 1)
        let (since, isOver) = state.withLock { $0 }
        if isOver { return }
        if let since, ContinuousClock.now - since > .seconds(Fuzzer.hang) {
          fatalError("\(name): an input has taken more than \(Fuzzer.hang) s; it is kept")
        }
      }
    }
  }

  func begin() { state.withLock { $0.since = .now } }
  func pause() { state.withLock { $0.since = nil } }
  func end() { state.withLock { $0.isOver = true } }
}
