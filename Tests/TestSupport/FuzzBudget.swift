import Foundation

/// How long the fuzzers may take, and with which numbers they begin.
///
/// `WARREN_FUZZ_SECONDS` is the time of all of them together: a minute (8 s in the quick tier), unless set. `WARREN_FUZZ_SEED` repeats a run: with the
/// same seed each fuzzer makes the same inputs in the same order, as far as its time reaches.
public struct FuzzBudget: Sendable {
  /// The fuzzers among which the time is divided.
  private static let fuzzers = 10
  private static let usual = Duration.seconds(60.0 / Double(fuzzers))

  public let seed: UInt64
  /// Of one fuzzer.
  public let time: Duration
  /// Of one fuzzer that has hardly tried anything by then.
  public var longest: Duration { max(time, Self.usual) }

  public static let current = FuzzBudget(ProcessInfo.processInfo.environment)

  init(_ environment: [String: String]) {
    let seconds = environment["WARREN_FUZZ_SECONDS"].map { text in
      guard let seconds = Double(text), seconds > 0 else {
        fatalError("WARREN_FUZZ_SECONDS must be a number of seconds, not '\(text)'")
      }
      return seconds
    }
    seed =
      environment["WARREN_FUZZ_SEED"].map { text in
        guard let seed = UInt64(text) else {
          fatalError("WARREN_FUZZ_SEED must be a number, not '\(text)'")
        }
        return seed
      } ?? .random(in: 0 ... .max)
    let shared = seconds ?? (environment["WARREN_TEST_FAST"] == nil ? nil : 8)
    time = shared.map { .seconds($0 / Double(Self.fuzzers)) } ?? Self.usual
  }

  /// Says how to repeat what follows.
  public func announce(_ fuzzer: String) {
    print("fuzzing \(fuzzer) for \(time); to repeat: WARREN_FUZZ_SEED=\(seed)")
  }
}

/// A generator of the same numbers in every run (SplitMix64; Steele, Lea and Flood, 2014), so that a failure can be repeated.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) {
    state = seed
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// True once in so many times.
  public mutating func chance(_ times: Int) -> Bool {
    Int.random(in: 0..<times, using: &self) == 0
  }

  public mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[Int.random(in: elements.indices, using: &self)]
  }

  public mutating func below(_ bound: Int) -> Int {
    Int.random(in: 0..<max(1, bound), using: &self)
  }
}
