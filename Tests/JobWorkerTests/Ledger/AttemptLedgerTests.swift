import Jobs
import Testing

@testable import JobWorker

@Suite struct AttemptLedgerTests {
  private typealias Ledger = AttemptLedger<String>

  private let id = JobID()

  private func attempt(_ number: Int, of job: JobID? = nil) -> RunningAttempt {
    RunningAttempt(job: job ?? id, attempt: number)
  }

  /// Grants attempts to a claim.
  @discardableResult
  private func grant(
    _ numbers: [Int], _ ledger: inout Ledger, of claim: UInt64? = nil
  ) -> [Ledger.Beginning] {
    let claim = claim ?? ledger.beginClaim()
    return ledger.endClaim(claim, granted: numbers.map { (attempt($0), "task \($0)") })
  }

  private func running(_ number: Int = 1) -> Ledger {
    var ledger = Ledger()
    grant([number], &ledger)
    return ledger
  }

  @Test func whatIsGrantedRunsUntilItEnds() {
    var ledger = Ledger()
    let beginnings = grant([1], &ledger)
    #expect(beginnings.map(\.orders) == [[]])
    #expect(ledger.attempts == ["task 1"])
    #expect(ledger.running == [attempt(1)])
    ledger.leave(attempt(1))
    #expect(ledger.isEmpty)
    ledger.leave(attempt(1))
    #expect(ledger.isEmpty)
  }

  @Test func whatIsHereIsNotRunTwice() {
    var ledger = running()
    let beginnings = grant([1], &ledger)
    #expect(beginnings.map(\.isRepeated) == [true])
    #expect(ledger.attempts == ["task 1"])
  }

  @Test func aLaterAttemptTakesTheJobFromAnEarlierOne() {
    var ledger = running(1)
    let beginnings = grant([3], &ledger)
    #expect(beginnings.map(\.superseded) == [["task 1"]])
    #expect(beginnings.map(\.orders) == [[]])
    #expect(Set(ledger.running) == [attempt(1), attempt(3)])
    // Out of its time.
    let late = grant([2], &ledger)
    #expect(late.map(\.orders) == [.stop])
    #expect(grant([1], &ledger).map(\.isRepeated) == [true])
    ledger.leave(attempt(3))
    #expect(Set(ledger.running) == [attempt(1), attempt(2)])
    ledger.leave(attempt(1))
    ledger.leave(attempt(2))
    #expect(ledger.isEmpty)
  }

  @Test(arguments: [(1, 1, true), (1, 2, false), (2, 1, false)])
  func cancelReachesTheAttemptThatItNames(running number: Int, named: Int, reaches: Bool) {
    var ledger = running(number)
    #expect(ledger.tell(attempt(named), .cancel) == (reaches ? "task \(number)" : nil))
  }

  @Test(arguments: [(1, 1, true), (1, 2, true), (2, 1, false)])
  func stopReachesTheAttemptThatItNamesAndEarlierOnes(
    running number: Int, named: Int, reaches: Bool
  ) {
    var ledger = running(number)
    #expect(ledger.stop(attempt(named)) == (reaches ? ["task \(number)"] : []))
  }

  private struct Early: Sendable {
    var cancels: [Int] = []
    var stops: [Int] = []
    var orders: AttemptOrders = []
  }

  private static let early = [
    Early(cancels: [2], orders: .cancel), Early(cancels: [1]), Early(cancels: [3]),
    Early(cancels: [1, 2], orders: .cancel), Early(stops: [2], orders: .stop),
    Early(stops: [3], orders: .stop), Early(stops: [1]),
    Early(cancels: [2], stops: [2], orders: [.cancel, .stop]),
  ]

  @Test(arguments: early)
  private func commandsBeforeTheClaimsAnswerAreRemembered(early: Early) {
    var ledger = Ledger()
    let claim = ledger.beginClaim()
    for number in early.cancels { #expect(ledger.tell(attempt(number), .cancel) == nil) }
    for number in early.stops { #expect(ledger.stop(attempt(number)) == []) }
    #expect(grant([2], &ledger, of: claim).map(\.orders) == [early.orders])
  }

  @Test func earlyCommandsDoNotOutliveTheClaimsThatWereInFlight() {
    var ledger = Ledger()
    let (first, second) = (ledger.beginClaim(), ledger.beginClaim())
    _ = ledger.tell(attempt(2), .cancel)
    let third = ledger.beginClaim()
    _ = ledger.endClaim(first)
    // The second one may be granted it.
    var other = ledger
    #expect(grant([2], &other, of: second).map(\.orders) == [.cancel])
    _ = ledger.endClaim(second)
    #expect(grant([2], &ledger, of: third).map(\.orders) == [[]])
  }

  @Test func commandsForAJobThatIsNeitherHereNorComingDoNothing() {
    var ledger = Ledger()
    #expect(ledger.tell(attempt(1), .cancel) == nil)
    #expect(ledger.stop(attempt(1)) == [])
    #expect(grant([1], &ledger).map(\.orders) == [[]])
  }

  @Test func earlyCommandsAreBounded() {
    var ledger = Ledger()
    let claim = ledger.beginClaim()
    for _ in 0..<Ledger.mostRemembered { _ = ledger.tell(attempt(1, of: JobID()), .cancel) }
    _ = ledger.tell(attempt(1), .cancel)
    #expect(grant([1], &ledger, of: claim).map(\.orders) == [[]])
    // With the claims, what is remembered goes.
    let next = ledger.beginClaim()
    _ = ledger.tell(attempt(2), .cancel)
    #expect(grant([2], &ledger, of: next).map(\.orders) == [.cancel])
  }

  @Test func aDrainingWorkerGivesBackWhatItIsGranted() {
    var ledger = Ledger()
    let claim = ledger.beginClaim()
    ledger.drain()
    #expect(grant([1], &ledger, of: claim).map(\.orders) == [.giveBack])
  }

  private func report(_ number: Int = 1, _ outcome: JobOutcome = .canceled) -> JobReport {
    JobReport(
      job: id, attempt: number, worker: WorkerID(rawValue: "w"), content: .ended(outcome))
  }

  @Test func itKnowsWhatRunsOrHasBeenReported() {
    var ledger = Ledger()
    #expect(ledger.state(of: attempt(1)) == .unknown)
    grant([1], &ledger)
    #expect(ledger.state(of: attempt(1)) == .running)
    #expect(ledger.state(of: attempt(2)) == .unknown)
    ledger.keep(report())
    #expect(ledger.state(of: attempt(1)) == .reported)
    ledger.leave(attempt(1))
    #expect(ledger.state(of: attempt(1)) == .reported)
    #expect(ledger.outcome(of: attempt(1)) == report())
    #expect(ledger.state(of: attempt(2)) == .unknown)
  }

  @Test func whileClaimsAreInFlightWhatIsNotHereMayBeAboutToCome() {
    var ledger = Ledger()
    let (first, second) = (ledger.beginClaim(), ledger.beginClaim())
    #expect(ledger.state(of: attempt(1)) == .running)
    let third = ledger.beginClaim()
    _ = ledger.endClaim(first)
    #expect(ledger.state(of: attempt(1)) == .running)
    _ = ledger.endClaim(second)
    // Those that were in flight when it was asked about first have been answered.
    #expect(ledger.state(of: attempt(1)) == .unknown)
    _ = third
  }

  @Test func whatIsAskedAboutAndComesAfterAllRuns() {
    var ledger = Ledger()
    let claim = ledger.beginClaim()
    #expect(ledger.state(of: attempt(1)) == .running)
    grant([1], &ledger, of: claim)
    #expect(ledger.state(of: attempt(1)) == .running)
    ledger.leave(attempt(1))
    #expect(ledger.state(of: attempt(1)) == .unknown)
  }

  @Test func whatIsRememberedOfQuestionsIsBounded() {
    var ledger = Ledger()
    let first = ledger.beginClaim()
    for _ in 0..<Ledger.mostRemembered { _ = ledger.state(of: attempt(1, of: JobID())) }
    // There is no room: it may be about to come for as long as there are claims.
    #expect(ledger.state(of: attempt(1)) == .running)
    let second = ledger.beginClaim()
    _ = ledger.endClaim(first)
    #expect(ledger.state(of: attempt(1)) == .running)
    _ = ledger.beginClaim()
    _ = ledger.endClaim(second)
    // The others are known to be over.
    #expect(ledger.state(of: attempt(1)) == .unknown)
  }

  @Test func itDoesNotKnowWhatEndedWithoutAReport() {
    var ledger = running()
    ledger.leave(attempt(1))
    #expect(ledger.state(of: attempt(1)) == .unknown)
  }

  @Test func anAttemptThatRunsOnAfterItsTimeOutCountsAsReported() {
    var ledger = running()
    ledger.keep(report(1, .timedOut(error: "late")))
    #expect(ledger.attempts == ["task 1"])
    #expect(ledger.state(of: attempt(1)) == .reported)
  }
}
