import Testing

@testable import AMQP

@Suite("Acknowledging with as few frames as possible")
final class SettlementLedgerTests {
  private var ledger = SettlementLedger()

  private func deliver(_ tags: ClosedRange<UInt64>) {
    for tag in tags { #expect(deliver(tag)) }
  }

  private func settle(_ tags: [UInt64], _ kind: Settlement.Kind = .ack) {
    for tag in tags { #expect(settleOne(tag, kind)) }
  }

  private func deliver(_ tag: UInt64) -> Bool { ledger.delivered(tag) }
  private func settleOne(_ tag: UInt64, _ kind: Settlement.Kind) -> Bool {
    ledger.settle(tag, kind)
  }
  private func flush() -> [Settlement] { ledger.flush() }

  @Test("All up to a number: one frame")
  func prefix() {
    deliver(1...5)
    settle([3, 1, 2])
    #expect(flush() == [Settlement(kind: .ack, tag: 3, multiple: true)])
    #expect(ledger.unsettled == 2)
    settle([4])
    #expect(flush() == [Settlement(kind: .ack, tag: 4, multiple: false)])
  }

  @Test("Behind a gap: one by one, and never twice")
  func gap() {
    deliver(1...5)
    settle([2, 4])
    #expect(
      flush() == [
        Settlement(kind: .ack, tag: 2, multiple: false),
        Settlement(kind: .ack, tag: 4, multiple: false),
      ])
    settle([1, 3])
    // 2 and 4 are told already; with the gap closed, 3 covers 1 and itself.
    #expect(flush() == [Settlement(kind: .ack, tag: 3, multiple: true)])
    settle([5])
    #expect(flush() == [Settlement(kind: .ack, tag: 5, multiple: false)])
    #expect(ledger.unsettled == 0)
  }

  @Test("Different kinds are told apart, in order")
  func kinds() {
    deliver(1...6)
    settle([1, 2, 5])
    settle([3, 4], .requeue)
    settle([6], .drop)
    #expect(
      flush() == [
        Settlement(kind: .ack, tag: 2, multiple: true),
        Settlement(kind: .requeue, tag: 4, multiple: true),
        Settlement(kind: .ack, tag: 5, multiple: false),
        Settlement(kind: .drop, tag: 6, multiple: false),
      ])
  }

  @Test("What never came, or is settled, is refused")
  func refused() {
    deliver(1...2)
    #expect(!settleOne(0, .ack))
    #expect(!settleOne(3, .ack))
    #expect(!settleOne(.max, .ack))
    settle([1])
    #expect(!settleOne(1, .ack))
    _ = flush()
    #expect(!settleOne(1, .requeue))
    #expect(!ledger.hasPending)
    #expect(flush() == [])
    #expect(!deliver(4), "3 is the next one")
  }

  @Test("A broker that takes the frames at their word ends with the same set", arguments: 0..<50)
  func model(seed: Int) {
    var generator = SplitMix(seed: UInt64(seed))
    var delivered: UInt64 = 0
    var open: Set<UInt64> = []
    var expected: [UInt64: Settlement.Kind] = [:]
    var told: [UInt64: Settlement.Kind] = [:]
    var broker: Set<UInt64> = []
    for _ in 0..<200 {
      for _ in 0..<Int.random(in: 0...5, using: &generator) {
        delivered += 1
        #expect(deliver(delivered))
        open.insert(delivered)
        broker.insert(delivered)
      }
      for _ in 0..<Int.random(in: 0...6, using: &generator) {
        guard let tag = open.sorted().randomElement(using: &generator) else { break }
        let kind =
          [Settlement.Kind.ack, .ack, .ack, .requeue, .drop]
          .randomElement(using: &generator) ?? .ack
        #expect(settleOne(tag, kind))
        open.remove(tag)
        expected[tag] = kind
      }
      for frame in ledger.flush() {
        let affected: Set<UInt64> = frame.multiple ? broker.filter { $0 <= frame.tag } : [frame.tag]
        #expect(!affected.isEmpty && affected.isSubset(of: broker))
        for tag in affected { told[tag] = frame.kind }
        broker.subtract(affected)
      }
      #expect(broker == open)
      #expect(ledger.unsettled == open.count)
    }
    #expect(told == expected)
  }
}

/// A small reproducible generator.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
