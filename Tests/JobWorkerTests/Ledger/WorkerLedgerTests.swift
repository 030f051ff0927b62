import AMQP
import Jobs
import Testing

@testable import JobWorker

@Suite struct WorkerLedgerTests {
  private typealias Ledger = WorkerLedger<String>

  private let id = JobID()

  private func ticket(
    _ value: UInt64 = 1, generation: UInt64 = 1, queue: JobQueueName = .compute
  ) throws -> ReceivedTicket {
    ReceivedTicket(
      ticket: Ticket(job: id, type: try JobTypeID("test:job")), queue: queue, source: 1,
      tag: DeliveryTag(generation: generation, value: value))
  }

  private func running(_ attempt: Int = 1) throws -> Ledger {
    var ledger = Ledger()
    _ = ledger.arrive(try ticket())
    _ = ledger.begin(id, attempt: attempt, "task")
    return ledger
  }

  @Test func aFirstTicketIsClaimed() throws {
    var ledger = Ledger()
    #expect(ledger.arrive(try ticket()) == .claim)
    #expect(ledger.begin(id, attempt: 1, "task") == [])
    #expect(ledger.attempts == ["task"])
    #expect(ledger.leave(id) == nil)
    #expect(ledger.isEmpty)
  }

  @Test func aRunningJobsRedeliveredTicketWaitsForItsEnd() throws {
    var ledger = try running()
    let again = try ticket(7, generation: 2)
    #expect(ledger.arrive(again) == .behind(voiding: []))
    #expect(ledger.attempts == ["task"])
    #expect(ledger.leave(id) == again)
    // It is being claimed now, and the job is here only once still.
    #expect(ledger.arrive(try ticket(8, generation: 2)) == .behind(voiding: []))
  }

  @Test func ticketsOfAnEarlierSubscriptionAreVoid() throws {
    var ledger = try running()
    _ = ledger.arrive(try ticket(1, generation: 2))
    _ = ledger.arrive(try ticket(2, generation: 2))
    _ = ledger.arrive(try ticket(9, generation: 1, queue: .download))
    #expect(
      ledger.arrive(try ticket(1, generation: 3))
        == .behind(voiding: [try ticket(1, generation: 2), try ticket(2, generation: 2)]))
    // A queue's subscriptions are counted apart from another queue's.
    #expect(
      ledger.leave(id) == (try ticket(9, generation: 1, queue: .download)))
    #expect(ledger.leave(id) == (try ticket(1, generation: 3)))
    #expect(ledger.leave(id) == nil)
  }

  @Test(arguments: [(1, 1, true), (1, 2, false), (2, 1, false)])
  func cancelReachesTheAttemptThatItNames(running number: Int, named: Int, reaches: Bool) throws {
    var ledger = try running(number)
    #expect(ledger.tell(id, attempt: named, .cancel) == (reaches ? "task" : nil))
  }

  @Test(arguments: [(1, 1, true), (1, 2, true), (2, 1, false)])
  func stopReachesTheAttemptThatItNamesAndEarlierOnes(
    running number: Int, named: Int, reaches: Bool
  ) throws {
    var ledger = try running(number)
    #expect(ledger.stop(id, attempt: named) == (reaches ? "task" : nil))
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
  private func commandsBeforeTheClaimsAnswerAreRemembered(early: Early) throws {
    var ledger = Ledger()
    _ = ledger.arrive(try ticket())
    for attempt in early.cancels { #expect(ledger.tell(id, attempt: attempt, .cancel) == nil) }
    for attempt in early.stops { #expect(ledger.stop(id, attempt: attempt) == nil) }
    #expect(ledger.begin(id, attempt: 2, "task") == early.orders)
  }

  @Test func earlyCommandsDoNotOutliveTheirClaim() throws {
    var ledger = try running(1)
    _ = ledger.arrive(try ticket(2, generation: 2))
    _ = ledger.leave(id)
    _ = ledger.tell(id, attempt: 2, .cancel)
    _ = ledger.leave(id)
    _ = ledger.arrive(try ticket(3, generation: 2))
    #expect(ledger.begin(id, attempt: 2, "task") == [])
  }

  @Test func commandsForAJobThatIsNotHereDoNothing() {
    var ledger = Ledger()
    #expect(ledger.tell(id, attempt: 1, .cancel) == nil)
    #expect(ledger.stop(id, attempt: 1) == nil)
    #expect(ledger.state(of: RunningAttempt(job: id, attempt: 1)) == .unknown)
  }

  @Test func aDrainingWorkerGivesBackWhatItIsGranted() throws {
    var ledger = Ledger()
    _ = ledger.arrive(try ticket())
    ledger.drain()
    #expect(ledger.begin(id, attempt: 1, "task") == .giveBack)
  }

  private func report(_ attempt: Int = 1, _ outcome: JobOutcome = .canceled) -> JobReport {
    JobReport(
      job: id, attempt: attempt, worker: WorkerID(rawValue: "w"), content: .ended(outcome))
  }

  private func state(_ ledger: Ledger, _ attempt: Int = 1) -> AttemptState {
    ledger.state(of: RunningAttempt(job: id, attempt: attempt))
  }

  @Test func itKnowsWhatItClaimsRunsOrHasReported() throws {
    var ledger = Ledger()
    #expect(state(ledger) == .unknown)
    _ = ledger.arrive(try ticket())
    // The claim may be granted as this attempt.
    #expect(state(ledger) == .running)
    _ = ledger.begin(id, attempt: 1, "task")
    #expect(state(ledger) == .running)
    ledger.keep(report())
    #expect(state(ledger) == .reported)
    _ = ledger.leave(id)
    #expect(state(ledger) == .reported)
    #expect(ledger.outcome(of: RunningAttempt(job: id, attempt: 1)) == report())
  }

  @Test func itDoesNotKnowWhatEndedWithoutAReport() throws {
    var ledger = try running()
    _ = ledger.leave(id)
    #expect(state(ledger) == .unknown)
  }

  @Test func whatItReportedOfOneAttemptSaysNothingOfAnother() throws {
    var ledger = try running()
    ledger.keep(report())
    _ = ledger.leave(id)
    #expect(state(ledger, 2) == .unknown)
    // A later claim that is given up may have been granted; of the first attempt the outcome is known still.
    _ = ledger.arrive(try ticket(2))
    #expect(state(ledger, 2) == .running)
    #expect(state(ledger) == .reported)
    _ = ledger.leave(id)
    #expect(state(ledger, 2) == .unknown)
    #expect(state(ledger) == .reported)
  }

  @Test func anAttemptThatRunsOnAfterItsTimeOutCountsAsReported() throws {
    var ledger = try running()
    ledger.keep(report(1, .timedOut(error: "late")))
    #expect(ledger.attempts == ["task"])
    #expect(state(ledger) == .reported)
  }

  private func outcome(_ job: JobID, _ attempt: Int = 1, bytes: Int = 0) -> JobReport {
    JobReport(
      job: job, attempt: attempt, worker: WorkerID(rawValue: "w"),
      content: .ended(.completed(result: .string(String(repeating: "x", count: bytes)))))
  }

  private func kept(_ outcomes: ReportedOutcomes, _ ids: [JobID], attempt: Int = 1) -> [Int] {
    ids.indices.filter {
      outcomes.report(of: RunningAttempt(job: ids[$0], attempt: attempt)) != nil
    }
  }

  @Test func onlyTheLastOutcomesAreKept() {
    var outcomes = ReportedOutcomes(limit: 3)
    let ids = (0..<5).map { _ in JobID() }
    for id in ids { outcomes.keep(outcome(id)) }
    #expect(kept(outcomes, ids) == [2, 3, 4])
    // Reported again, it is the newest, and the earlier attempt is forgotten.
    outcomes.keep(outcome(ids[2], 2))
    #expect(kept(outcomes, ids) == [3, 4])
    outcomes.keep(outcome(ids[0]))
    outcomes.keep(outcome(ids[1]))
    #expect(kept(outcomes, ids) == [0, 1])
    #expect(kept(outcomes, ids, attempt: 2) == [2])
  }

  @Test func keptOutcomesAreBoundedInBytes() {
    var outcomes = ReportedOutcomes(limit: 1_000, byteLimit: 11_000)
    let ids = (0..<20).map { _ in JobID() }
    for id in ids { outcomes.keep(outcome(id, bytes: 2_000)) }
    #expect(outcomes.bytes <= 11_000)
    #expect(kept(outcomes, ids) == [16, 17, 18, 19])
    // One that is larger than all that may be kept is not kept, and drives the others out.
    outcomes.keep(outcome(JobID(), bytes: 20_000))
    #expect(outcomes.count == 0)
    #expect(outcomes.bytes == 0)
    outcomes.keep(outcome(ids[0]))
    #expect(kept(outcomes, ids) == [0])
  }

  @Test func aJobThatIsRetriedForEverTakesNoMoreThanItsPlace() {
    var outcomes = ReportedOutcomes(limit: 100)
    let other = JobID()
    outcomes.keep(outcome(other))
    for attempt in 1...10_000 { outcomes.keep(outcome(id, attempt)) }
    #expect(outcomes.count == 2)
    #expect(outcomes.orderLength < 200)
    #expect(outcomes.report(of: RunningAttempt(job: other, attempt: 1)) != nil)
    #expect(outcomes.report(of: RunningAttempt(job: id, attempt: 10_000)) != nil)
  }
}
