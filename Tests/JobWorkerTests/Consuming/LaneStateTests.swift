import AMQP
import Jobs
import Testing

@testable import JobWorker

@Suite struct LaneStateTests {
  private typealias Batch = TicketsInHand.Batch

  private let start = ContinuousClock.now

  private func lane(
    _ capacity: Int, configure: (inout LaneState.Settings) -> Void = { _ in }
  ) -> LaneState {
    var settings = LaneState.Settings(capacity: capacity)
    configure(&settings)
    var lane = LaneState(settings)
    #expect(lane.start() == [.open(source: 1, prefetch: capacity)])
    #expect(lane.opened(1) == [])
    return lane
  }

  private func tags(_ values: ClosedRange<UInt64>, generation: UInt64 = 1) -> [DeliveryTag] {
    values.map { DeliveryTag(generation: generation, value: $0) }
  }

  private func ack(
    _ values: ClosedRange<UInt64>, of source: Int = 1, generation: UInt64 = 1
  ) -> LaneState.Action {
    .ack(Batch(source: source, tags: tags(values, generation: generation)))
  }

  private func giveBack(
    _ values: ClosedRange<UInt64>, of source: Int = 1, generation: UInt64 = 1
  ) -> LaneState.Action {
    .giveBack(Batch(source: source, tags: tags(values, generation: generation)))
  }

  /// A lane with so many running jobs, each with its ticket.
  private func running(_ jobs: Int, capacity: Int) -> LaneState {
    var lane = lane(capacity)
    #expect(
      lane.delivered(tags(1...UInt64(jobs)), by: 1, at: start) == [.claim(count: jobs)])
    #expect(lane.answered(jobs: jobs, .void, at: start) == [])
    return lane
  }

  // MARK: Claims

  @Test func ticketsAreClaimedAndTheOldestIsAcknowledgedWhenAJobEnds() {
    var lane = lane(3)
    #expect(lane.delivered(tags(1...2), by: 1, at: start) == [.claim(count: 2)])
    #expect(lane.answered(jobs: 2, .void, at: start) == [])
    #expect(lane.running == 2)
    #expect(lane.finished(isSettled: true) == [ack(1...1)])
    #expect(lane.finished(isSettled: true) == [ack(2...2)])
    #expect(lane.running == 0)
    // Twice the same end is none.
    #expect(lane.finished(isSettled: true) == [])
  }

  @Test func whatGathersWhileAClaimIsInFlightIsTheNextClaim() {
    var lane = lane(10)
    #expect(lane.delivered(tags(1...1), by: 1, at: start) == [.claim(count: 1)])
    #expect(lane.delivered(tags(2...2), by: 1, at: start) == [])
    #expect(lane.delivered(tags(3...5), by: 1, at: start) == [])
    #expect(lane.answered(jobs: 1, .void, at: start) == [.claim(count: 4)])
  }

  @Test func aClaimAsksForNoMoreThanTheLimit() {
    var lane = lane(10) { $0.mostOfClaim = 4 }
    #expect(lane.delivered(tags(1...10), by: 1, at: start) == [.claim(count: 4)])
    #expect(lane.answered(jobs: 4, .void, at: start) == [.claim(count: 4)])
    #expect(lane.answered(jobs: 4, .void, at: start) == [.claim(count: 2)])
  }

  @Test func ticketsForWhichNothingIsDueAreVoid() {
    var lane = lane(5)
    _ = lane.delivered(tags(1...5), by: 1, at: start)
    #expect(lane.answered(jobs: 2, .void, at: start) == [ack(1...3)])
    // Which of them stood for the two jobs is nobody's concern.
    #expect(lane.finished(isSettled: true) == [ack(4...4)])
    #expect(lane.finished(isSettled: true) == [ack(5...5)])
  }

  @Test func whatTheAnswerCouldNotHoldIsAskedForAtOnce() {
    var lane = lane(5)
    _ = lane.delivered(tags(1...5), by: 1, at: start)
    #expect(lane.answered(jobs: 2, .again, at: start) == [.claim(count: 3)])
    #expect(lane.nextDeadline == start + .seconds(600))
  }

  @Test(arguments: [ClaimAnswer.Rest.again, .unregistered])
  func whoGetsNothingButIsToAskAgainPauses(rest: ClaimAnswer.Rest) {
    var lane = lane(1)
    _ = lane.delivered(tags(1...1), by: 1, at: start)
    var now = start
    for milliseconds in [50, 100, 200, 400, 800, 1_000, 1_000] {
      #expect(lane.answered(jobs: 0, rest, at: now) == [])
      #expect(lane.nextDeadline == now + .milliseconds(milliseconds))
      #expect(lane.tick(at: now + .milliseconds(milliseconds - 1)) == [])
      now += .milliseconds(milliseconds)
      #expect(lane.tick(at: now) == [.claim(count: 1)])
    }
    // Once it gets something, the pauses begin anew.
    _ = lane.answered(jobs: 1, .void, at: now)
    _ = lane.finished(isSettled: true)
    _ = lane.delivered(tags(2...2), by: 1, at: now)
    _ = lane.answered(jobs: 0, rest, at: now)
    #expect(lane.nextDeadline == now + .milliseconds(50))
  }

  @Test func anAnswerThatNobodyWaitsForDoesNothing() {
    var lane = lane(1)
    #expect(lane.answered(jobs: 1, .void, at: start) == [])
    #expect(lane.running == 0)
  }

  // MARK: Parking

  private func parked(_ tickets: UInt64 = 2) -> LaneState {
    var lane = lane(3)
    _ = lane.delivered(tags(1...tickets), by: 1, at: start)
    #expect(lane.answered(jobs: 0, .park, at: start) == [])
    #expect(lane.isParked)
    return lane
  }

  @Test func aParkedLaneKeepsItsTicketsForAMoment() {
    var lane = parked()
    #expect(lane.nextDeadline == start + .seconds(1))
    // Those that come now are kept as well.
    #expect(lane.delivered(tags(3...3), by: 1, at: start) == [])
    #expect(lane.tick(at: start + .milliseconds(999)) == [])
    #expect(lane.wake() == [.claim(count: 3)])
    #expect(!lane.isParked)
  }

  @Test func aLaneThatIsNotWokenGivesItsTicketsBackAndStopsConsuming() {
    var lane = parked()
    #expect(lane.tick(at: start + .seconds(1)) == [.cancel(source: 1)])
    #expect(lane.isParked)
    // On its way when the subscription was ended.
    #expect(lane.delivered(tags(3...3), by: 1, at: start) == [])
    // Not before: they would come again.
    #expect(lane.ended(1) == [giveBack(1...3), .forget(source: 1)])
    #expect(lane.isParked)
    #expect(lane.wake() == [.open(source: 2, prefetch: 3)])
    #expect(!lane.isParked)
  }

  @Test func aLaneThatIsWokenWhileItStopsUsesItsTickets() {
    var lane = parked()
    _ = lane.tick(at: start + .seconds(1))
    #expect(lane.wake() == [.claim(count: 2)])
    #expect(lane.ended(1) == [.open(source: 2, prefetch: 1)])
    #expect(lane.answered(jobs: 2, .void, at: start) == [])
  }

  @Test func aLaneThatIsNeverWokenAsksByItselfNowAndThen() {
    var lane = parked()
    _ = lane.tick(at: start + .seconds(1))
    _ = lane.ended(1)
    #expect(lane.nextDeadline == start + .seconds(61))
    #expect(lane.tick(at: start + .seconds(61)) == [.open(source: 2, prefetch: 3)])
    #expect(!lane.isParked)
  }

  @Test func aWakeUpThatOvertakesTheAnswerIsNotLost() {
    var lane = lane(3)
    _ = lane.delivered(tags(1...2), by: 1, at: start)
    #expect(lane.wake() == [])
    #expect(lane.answered(jobs: 0, .park, at: start) == [.claim(count: 2)])
    #expect(!lane.isParked)
    // It counts for one answer.
    #expect(lane.answered(jobs: 0, .park, at: start) == [])
    #expect(lane.isParked)
  }

  @Test func aLaneWithoutTicketsLeftDoesNotPark() {
    var lane = lane(3)
    _ = lane.delivered(tags(1...2), by: 1, at: start)
    #expect(lane.answered(jobs: 2, .park, at: start) == [])
    #expect(!lane.isParked)
    #expect(lane.delivered(tags(3...3), by: 1, at: start) == [.claim(count: 1)])
  }

  @Test func jobsThatRunInAParkedLaneEndAsEver() {
    var lane = lane(3)
    _ = lane.delivered(tags(1...3), by: 1, at: start)
    _ = lane.answered(jobs: 1, .park, at: start)
    _ = lane.tick(at: start + .seconds(1))
    #expect(lane.ended(1) == [giveBack(2...3)])
    #expect(lane.finished(isSettled: true) == [ack(1...1), .forget(source: 1)])
    #expect(lane.wake() == [.open(source: 2, prefetch: 3)])
  }

  @Test func aSpuriousWakeUpDoesNothing() {
    var lane = lane(1)
    #expect(lane.wake() == [])
  }

  // MARK: Reconnection

  @Test func afterAReconnectionTheCapacityHolds() {
    var lane = running(2, capacity: 3)
    // Both come again, and a third one.
    #expect(
      lane.delivered(tags(1...3, generation: 2), by: 1, at: start) == [.claim(count: 1)])
    #expect(lane.running == 2)
    #expect(lane.unclaimed == 2)
    #expect(lane.answered(jobs: 1, .void, at: start) == [])
    // A job from before has nothing to be acknowledged, but frees a slot. As tickets belong to no job, one is acknowledged.
    #expect(
      lane.finished(isSettled: true) == [ack(1...1, generation: 2), .claim(count: 1)])
    #expect(
      lane.answered(jobs: 0, .void, at: start)
        == [ack(2...2, generation: 2), .claim(count: 1)])
    #expect(lane.answered(jobs: 0, .void, at: start) == [ack(3...3, generation: 2)])
    #expect(lane.finished(isSettled: true) == [])
    #expect(lane.finished(isSettled: true) == [])
    #expect(lane.running == 0)
  }

  @Test func ticketsOfAClaimAreLostWithTheirConnection() {
    var lane = lane(3)
    _ = lane.delivered(tags(1...3), by: 1, at: start)
    #expect(lane.delivered(tags(1...2, generation: 2), by: 1, at: start) == [])
    // The jobs run though their tickets are void; what came again is not theirs.
    #expect(lane.answered(jobs: 2, .void, at: start) == [.claim(count: 1)])
    #expect(lane.running == 2)
    #expect(
      lane.answered(jobs: 0, .void, at: start) == [ack(1...1, generation: 2), .claim(count: 1)])
    #expect(lane.finished(isSettled: true) == [])
  }

  @Test func deliveriesOfAnEarlierSubscriptionAreIgnored() {
    var lane = lane(3)
    _ = lane.delivered(tags(1...1, generation: 5), by: 1, at: start)
    #expect(lane.delivered(tags(1...3, generation: 4), by: 1, at: start) == [])
    #expect(lane.unclaimed == 0)
  }

  // MARK: Detaching

  private var late: ContinuousClock.Instant { start + .seconds(600) }

  @Test func ticketsThatAreHeldForLongAreAcknowledgedAndTheirJobsKeepTheirSlots() {
    var lane = lane(3)
    _ = lane.delivered(tags(1...1), by: 1, at: start)
    _ = lane.answered(jobs: 1, .void, at: start)
    _ = lane.delivered(tags(2...2), by: 1, at: start + .seconds(1))
    _ = lane.answered(jobs: 1, .void, at: start)
    #expect(lane.nextDeadline == late)
    #expect(lane.tick(at: late) == [ack(1...1), .cancel(source: 1)])
    // One runs on without its ticket, one with it: one slot is free.
    #expect(lane.ended(1) == [.open(source: 2, prefetch: 1)])
    #expect(lane.nextDeadline == late + .seconds(1))
    #expect(
      lane.finished(isSettled: true) == [
        ack(2...2), .forget(source: 1), .open(source: 3, prefetch: 1),
      ])
    // The detached one.
    #expect(lane.finished(isSettled: true) == [.open(source: 4, prefetch: 1)])
  }

  @Test func allThatAreLateAreAcknowledgedTogether() {
    var lane = running(3, capacity: 3)
    #expect(lane.tick(at: late) == [ack(1...1), .cancel(source: 1), ack(2...2), ack(3...3)])
    #expect(lane.ended(1) == [.forget(source: 1)])
    #expect(lane.nextDeadline == nil)
    #expect(lane.finished(isSettled: true) == [.open(source: 2, prefetch: 1)])
  }

  @Test func aSlowJobAmongQuickOnesIsNotDetached() {
    var lane = running(2, capacity: 2)
    var now = start
    var tag: UInt64 = 2
    // The quick ones acknowledge the oldest ticket, whosever it was.
    for _ in 0..<20 {
      now += .seconds(100)
      #expect(lane.tick(at: now) == [])
      #expect(lane.finished(isSettled: true) == [ack(tag - 1...tag - 1)])
      tag += 1
      _ = lane.delivered(tags(tag...tag), by: 1, at: now)
      _ = lane.answered(jobs: 1, .void, at: now)
    }
    #expect(lane.running == 2)
  }

  @Test func ticketsThatWaitForSlotsOfJobsFromBeforeAReconnectionGoBackInTheEnd() {
    var lane = running(2, capacity: 2)
    _ = lane.delivered(tags(1...2, generation: 2), by: 1, at: start)
    #expect(lane.tick(at: late) == [.cancel(source: 1)])
    #expect(lane.ended(1) == [giveBack(1...2, generation: 2), .forget(source: 1)])
    #expect(lane.finished(isSettled: true) == [.open(source: 2, prefetch: 1)])
  }

  @Test func aClaimThatIsNotAnsweredKeepsItsTickets() {
    var lane = lane(1)
    _ = lane.delivered(tags(1...1), by: 1, at: start)
    #expect(lane.tick(at: late) == [])
    // It does not ring all the time.
    #expect(lane.nextDeadline == late + .seconds(600))
    #expect(lane.answered(jobs: 1, .void, at: late) == [])
    #expect(lane.tick(at: late + .seconds(600)) == [ack(1...1), .cancel(source: 1)])
  }

  // MARK: Subscriptions

  @Test func renewingSubscribesAnewAndLosesNothing() {
    var lane = running(1, capacity: 3)
    #expect(lane.renew() == [.cancel(source: 1)])
    #expect(lane.delivered(tags(2...2), by: 1, at: start) == [.claim(count: 1)])
    #expect(lane.ended(1) == [.open(source: 2, prefetch: 1)])
    #expect(
      lane.answered(jobs: 0, .void, at: start) == [ack(1...1), .open(source: 3, prefetch: 1)])
  }

  @Test func aSubscriptionThatIsGivenUpWhileItIsOpenedIsEnded() {
    var lane = LaneState(.init(capacity: 2))
    _ = lane.start()
    #expect(lane.renew() == [])
    #expect(lane.opened(1) == [.cancel(source: 1)])
    #expect(lane.ended(1) == [.forget(source: 1), .open(source: 2, prefetch: 2)])
  }

  @Test func whatCannotBeSubscribedIsNotTriedAgain() {
    var lane = LaneState(.init(capacity: 2))
    _ = lane.start()
    #expect(lane.notOpened(1) == [])
    #expect(lane.renew() == [])
    #expect(lane.drain() == [.finish])
  }

  @Test func otherMessagesTakeSlotsUntilTheyAreSettled() {
    var lane = lane(3)
    let others = tags(1...2)
    #expect(lane.delivered([], others: others, by: 1, at: start) == [])
    #expect(lane.renew() == [.cancel(source: 1)])
    #expect(lane.ended(1) == [.open(source: 2, prefetch: 1)])
    #expect(
      lane.settled(others, of: 1) == [.forget(source: 1), .open(source: 3, prefetch: 2)])
  }

  @Test func otherMessagesThatWereLostWithTheirConnectionAreNotSettledTwice() {
    var lane = lane(2)
    _ = lane.delivered([], others: tags(1...1), by: 1, at: start)
    _ = lane.delivered([], others: tags(1...1, generation: 2), by: 1, at: start)
    _ = lane.settled(tags(1...1), of: 1)
    #expect(lane.renew() == [.cancel(source: 1)])
    // The one that came again takes a slot still.
    #expect(lane.ended(1) == [.open(source: 2, prefetch: 1)])
  }

  @Test func manySubscriptionsAreNotMadeForOneSlotEach() {
    var lane = running(100, capacity: 100)
    #expect(lane.renew() == [.cancel(source: 1)])
    #expect(lane.ended(1) == [])
    var prefetches: [Int] = []
    for _ in 0..<100 {
      for case .open(let source, let prefetch) in lane.finished(isSettled: true) {
        prefetches.append(prefetch)
        #expect(lane.opened(source) == [])
      }
    }
    let gathered = Array(repeating: 13, count: 7)
    #expect(prefetches == Array(repeating: 1, count: 8) + gathered + [1])
  }

  // MARK: Outages and the end

  @Test func duringAnOutageTicketsGoBackAndJobsRunOn() {
    var lane = lane(3)
    _ = lane.delivered(tags(1...1), by: 1, at: start)
    _ = lane.answered(jobs: 1, .void, at: start)
    #expect(lane.pause(for: .worker) == [.cancel(source: 1)])
    #expect(lane.pause(for: .queue(.compute)) == [])
    #expect(lane.delivered(tags(2...3), by: 1, at: start) == [])
    #expect(lane.ended(1) == [giveBack(2...3)])
    #expect(lane.resume(from: .worker) == [])
    #expect(lane.resume(from: .queue(.compute)) == [.open(source: 2, prefetch: 2)])
    #expect(
      lane.finished(isSettled: true) == [
        ack(1...1), .forget(source: 1), .open(source: 3, prefetch: 1),
      ])
  }

  @Test func aDrainingLaneGivesBackWhatIsUnclaimedAndWaitsForTheRest() {
    var lane = lane(4)
    _ = lane.delivered(tags(1...1), by: 1, at: start)
    _ = lane.answered(jobs: 1, .void, at: start)
    _ = lane.delivered(tags(2...2), by: 1, at: start)
    _ = lane.delivered(tags(3...4), by: 1, at: start)
    #expect(lane.drain() == [.cancel(source: 1)])
    #expect(lane.ended(1) == [giveBack(3...4)])
    // The claim that was in flight is answered; its job is given back, which is an end like any other.
    #expect(lane.answered(jobs: 1, .void, at: start) == [])
    #expect(lane.finished(isSettled: true) == [ack(1...1)])
    #expect(
      lane.finished(isSettled: true) == [ack(2...2), .forget(source: 1), .finish])
    #expect(lane.nextDeadline == nil)
  }

  @Test func aClaimThatIsGivenUpAtTheEndLeavesItsTicketsToOthers() {
    var lane = lane(2)
    _ = lane.delivered(tags(1...2), by: 1, at: start)
    _ = lane.drain()
    _ = lane.ended(1)
    #expect(lane.unanswered() == [giveBack(1...2), .forget(source: 1), .finish])
  }

  @Test func theTicketOfAJobWithoutAnOutcomeGoesBack() {
    var lane = running(2, capacity: 2)
    _ = lane.drain()
    _ = lane.ended(1)
    #expect(lane.finished(isSettled: false) == [giveBack(2...2)])
    #expect(lane.finished(isSettled: true) == [ack(1...1), .forget(source: 1), .finish])
  }

  @Test func leavingWaitsForNothing() {
    var lane = running(2, capacity: 2)
    #expect(lane.leave() == [.finish])
    #expect(lane.leave() == [])
    #expect(lane.drain() == [])
    // What ends now is acknowledged still.
    #expect(lane.finished(isSettled: true) == [ack(1...1)])
  }

  // MARK: The order of tickets

  @Test func ticketsOfSeveralSubscriptionsAreSettledInTheOrderInWhichTheyCame() {
    var tickets = TicketsInHand()
    tickets.append(tags(1...2), from: 1, at: start)
    tickets.append(tags(1...1, generation: 2), from: 2, at: start)
    tickets.append(tags(3...3), from: 1, at: start)
    tickets.append(tags(2...3, generation: 2), from: 2, at: start)
    var copy = tickets
    #expect(
      copy.takeOldest(4) == [
        Batch(source: 1, tags: tags(1...3)),
        Batch(source: 2, tags: tags(1...1, generation: 2)),
      ])
    #expect(copy.count == 2)
    #expect(copy.takeOldest(9) == [Batch(source: 2, tags: tags(2...3, generation: 2))])
    #expect(copy.takeOldest(1) == [])
    copy = tickets
    let newest = copy.takeNewest(2) { $0 == 1 }
    #expect(newest == [Batch(source: 1, tags: tags(2...3))])
    #expect(copy.takeOldest(1) == [Batch(source: 1, tags: tags(1...1))])
    copy = tickets
    copy.dropVoid(of: 1, before: 2)
    #expect(copy.takeOldest(9) == [Batch(source: 2, tags: tags(1...3, generation: 2))])
  }

  @Test func ticketsThatComeAndGoKeepTheirOrder() {
    var tickets = TicketsInHand()
    for value in UInt64(1)...10_000 {
      tickets.append(tags(value...value), from: 1, at: start)
      guard value > 10 else { continue }
      #expect(tickets.oldest?.tag.value == value - 10)
      #expect(tickets.takeOldest(1).count == 1)
    }
    #expect(tickets.count == 10)
  }
}
