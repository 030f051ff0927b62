import Testing

@testable import JobWorker

@Suite struct LaneCreditTests {
  @Test func oneConsumerHasAllSlots() {
    var credit = LaneCredit(capacity: 3)
    let answer1 = credit.open()?.prefetch
    #expect(answer1 == 3)
    let answer2 = credit.open()
    #expect(answer2 == nil)
    credit.delivered(2, by: 1)
    let answer3 = credit.settled(2, of: 1)
    #expect(!answer3)
    let answer4 = credit.open()
    #expect(answer4 == nil)
  }

  @Test func aDetachedJobKeepsItsSlotAndTheOthersMove() throws {
    var credit = LaneCredit(capacity: 3)
    _ = credit.open()
    credit.delivered(2, by: 1)
    let answer5 = credit.detached(from: 1)
    #expect(answer5)
    // One runs on without its delivery, one with it; one slot is free.
    let answer6 = credit.open()?.prefetch
    #expect(answer6 == 1)
    let answer7 = credit.settled(1, of: 1)
    #expect(answer7)
    let answer8 = credit.open()?.prefetch
    #expect(answer8 == 1)
    credit.released()
    let answer9 = credit.open()?.prefetch
    #expect(answer9 == 1)
    let answer10 = credit.open()
    #expect(answer10 == nil)
  }

  @Test func whenAllAreDetachedNobodyIsOpenedUntilOneEnds() {
    var credit = LaneCredit(capacity: 2)
    _ = credit.open()
    credit.delivered(2, by: 1)
    let answer11 = credit.detached(from: 1)
    #expect(answer11)
    let answer12 = credit.detached(from: 1)
    #expect(!answer12)
    let answer13 = credit.open()
    #expect(answer13 == nil)
    credit.released()
    let answer14 = credit.open()?.prefetch
    #expect(answer14 == 1)
  }

  /// Whatever happens, the slots of consumers and of jobs are never more than there are; deliveries that overlap with the end
  /// of a consumer are the exception, and wait for a slot.
  @Test func noSlotIsGivenTwice() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      let capacity = Int.random(in: 1...6, using: &random)
      var credit = LaneCredit(capacity: capacity)
      var sources: [Int: (prefetch: Int, held: Int, given: Bool)] = [:]
      var detached = 0
      for _ in 0..<100 {
        switch Int.random(in: 0..<6, using: &random) {
        case 0:
          if let (source, prefetch) = credit.open() { sources[source] = (prefetch, 0, false) }
        case 1:
          if let source = sources.keys.randomElement(using: &random), let entry = sources[source],
            !entry.given, entry.held < entry.prefetch
          {
            credit.delivered(1, by: source)
            sources[source]?.held += 1
          }
        case 2:
          if let source = sources.keys.randomElement(using: &random),
            (sources[source]?.held ?? 0) > 0
          {
            _ = credit.settled(1, of: source)
            sources[source]?.held -= 1
          }
        case 3:
          if let source = sources.keys.randomElement(using: &random),
            (sources[source]?.held ?? 0) > 0
          {
            _ = credit.detached(from: source)
            sources[source]?.held -= 1
            sources[source]?.given = true
            detached += 1
          }
        case 4:
          if detached > 0 {
            credit.released()
            detached -= 1
          }
        default:
          if Int.random(in: 0..<10, using: &random) == 0 {
            for source in credit.giveUpAll() { sources[source]?.given = true }
          }
        }
        let taken = sources.values.map { $0.given ? $0.held : $0.prefetch }.reduce(0, +)
        #expect(taken + detached + credit.free == capacity)
      }
    }
  }
}
