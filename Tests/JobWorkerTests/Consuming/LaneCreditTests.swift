import Testing

@testable import JobWorker

@Suite struct LaneCreditTests {
  @Test func oneConsumerHasAllSlots() {
    var credit = LaneCredit(capacity: 3)
    let opened = credit.open()?.prefetch
    #expect(opened == 3)
    let openedThen = credit.open()
    #expect(openedThen == nil)
    credit.delivered(2, by: 1)
    let isOver = credit.settled(2, of: 1)
    #expect(!isOver)
    let openedLater = credit.open()
    #expect(openedLater == nil)
  }

  @Test func aDetachedJobKeepsItsSlotAndTheOthersMove() throws {
    var credit = LaneCredit(capacity: 3)
    _ = credit.open()
    credit.delivered(2, by: 1)
    let isGivenUp = credit.detached(from: 1)
    #expect(isGivenUp)
    // One runs on without its delivery, one with it; one slot is free.
    let opened = credit.open()?.prefetch
    #expect(opened == 1)
    let isOver = credit.settled(1, of: 1)
    #expect(isOver)
    let openedThen = credit.open()?.prefetch
    #expect(openedThen == 1)
    credit.released()
    let openedLater = credit.open()?.prefetch
    #expect(openedLater == 1)
    let openedLast = credit.open()
    #expect(openedLast == nil)
  }

  @Test func whenAllAreDetachedNobodyIsOpenedUntilOneEnds() {
    var credit = LaneCredit(capacity: 2)
    _ = credit.open()
    credit.delivered(2, by: 1)
    let isGivenUp = credit.detached(from: 1)
    #expect(isGivenUp)
    let isGivenUpThen = credit.detached(from: 1)
    #expect(!isGivenUpThen)
    let opened = credit.open()
    #expect(opened == nil)
    credit.released()
    let openedThen = credit.open()?.prefetch
    #expect(openedThen == 1)
  }

  @Test func deliveriesThatComeTwiceTakeNoSlotForGood() {
    var credit = LaneCredit(capacity: 1)
    _ = credit.open()
    credit.delivered(1, by: 1)
    // The connection was lost twice: the job's ticket has come three times, and the second one is void.
    credit.delivered(1, by: 1)
    credit.delivered(1, by: 1)
    _ = credit.settled(1, of: 1)
    #expect(credit.giveUpAll() == [1])
    let opened = credit.open()
    #expect(opened == nil)
    _ = credit.settled(1, of: 1)
    let isOver = credit.settled(1, of: 1)
    #expect(isOver)
    let openedThen = credit.open()?.prefetch
    #expect(openedThen == 1)
  }

  @Test func aConsumerThatIsGivenUpWhileItIsOpenedIsNotWanted() {
    var credit = LaneCredit(capacity: 2)
    _ = credit.open()
    let isGivenUp = credit.isGivenUp(1)
    #expect(!isGivenUp)
    #expect(credit.giveUpAll() == [1])
    let isGivenUpThen = credit.isGivenUp(1)
    #expect(isGivenUpThen)
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
