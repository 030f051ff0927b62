import Testing

@testable import AMQP

@Suite("Matching confirms to publications")
final class ConfirmTrackerTests {
  private var tracker = ConfirmTracker<String>()

  private func answer(_ tag: UInt64, multiple: Bool = false) throws -> [String] {
    var answered: [String] = []
    try tracker.answered(tag: tag, multiple: multiple) { token, range in
      answered += range.map { "\(token)\($0)" }
    }
    return answered
  }

  @Test("One number answers one publication")
  func single() throws {
    tracker.sent("a", 0..<2)
    tracker.sent("b", 5..<6)
    #expect(try answer(2) == ["a1"])
    #expect(try answer(1) == ["a0"])
    #expect(tracker.count == 1)
    #expect(try answer(3) == ["b5"])
    #expect(tracker.count == 0)
  }

  @Test("With `multiple`, a number answers all up to it that are open, over several runs")
  func multiple() throws {
    tracker.sent("a", 0..<3)
    tracker.sent("b", 0..<2)
    #expect(try answer(2) == ["a1"])
    #expect(try answer(4, multiple: true) == ["a0", "a2", "b0"])
    #expect(try answer(5, multiple: true) == ["b1"])
  }

  @Test("Number 0 with `multiple` answers all")
  func all() throws {
    #expect(try answer(0, multiple: true) == [])
    tracker.sent("a", 7..<9)
    #expect(try answer(0, multiple: true) == ["a7", "a8"])
  }

  @Test("An answer that was given already is ignored, one to nothing is a violation")
  func wrong() throws {
    tracker.sent("a", 0..<3)
    #expect(try answer(1) == ["a0"])
    #expect(try answer(1) == [])
    #expect(try answer(3) == ["a2"])
    #expect(try answer(3) == [])
    #expect(throws: AMQPError.self) { try answer(4) }
    #expect(throws: AMQPError.self) { try answer(.max, multiple: true) }
    #expect(tracker.count == 1)
  }

  @Test("A lost channel gives back what is open, in order, and the next one counts from 1")
  func lost() throws {
    tracker.sent("a", 0..<4)
    _ = try answer(1)
    _ = try answer(3)
    var open: [String] = []
    tracker.lost { token, range in open += range.map { "\(token)\($0)" } }
    #expect(open == ["a1", "a3"])
    #expect(tracker.count == 0)
    tracker.sent("b", 0..<1)
    #expect(try answer(1) == ["b0"])
  }

  @Test("What is open can be looked through")
  func first() throws {
    tracker.sent("a", 0..<3)
    _ = try answer(1)
    _ = try answer(2)
    #expect(tracker.first { _, _ in true }?.1 == 2)
    #expect(tracker.first { _, index in index < 2 } == nil)
  }

  @Test("Thousands in and out of order all get exactly one answer")
  func many() throws {
    var seen: [String: Int] = [:]
    func take(_ tag: UInt64, multiple: Bool) throws {
      for token in try answer(tag, multiple: multiple) { seen[token, default: 0] += 1 }
    }
    for round in 0..<100 {
      tracker.sent("\(round)-", 0..<60)
      tracker.sent("\(round)+", 0..<40)
      // Of each round, one in three by itself from the back, then all.
      let first = UInt64(round * 100 + 1)
      for tag in stride(from: first + 99, through: first, by: -3) {
        try take(tag, multiple: false)
      }
      if round % 7 == 0 { try take(first + 99, multiple: true) }
    }
    try take(10_000, multiple: true)
    #expect(seen.count == 10_000)
    #expect(seen.values.allSatisfy { $0 == 1 })
    #expect(tracker.count == 0)
  }
}
