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
    #expect(ledger.leave(id, .reported(attempt: 1)) == nil)
    #expect(ledger.isEmpty)
  }

  @Test func aRunningJobsRedeliveredTicketWaitsForItsEnd() throws {
    var ledger = try running()
    let again = try ticket(7, generation: 2)
    #expect(ledger.arrive(again) == .behind(voiding: []))
    #expect(ledger.attempts == ["task"])
    #expect(ledger.leave(id, .reported(attempt: 1)) == again)
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
      ledger.leave(id, .reported(attempt: 1)) == (try ticket(9, generation: 1, queue: .download)))
    #expect(ledger.leave(id, .refused) == (try ticket(1, generation: 3)))
    #expect(ledger.leave(id, .refused) == nil)
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
    _ = ledger.leave(id, .reported(attempt: 1))
    _ = ledger.tell(id, attempt: 2, .cancel)
    _ = ledger.leave(id, .refused)
    _ = ledger.arrive(try ticket(3, generation: 2))
    #expect(ledger.begin(id, attempt: 2, "task") == [])
  }

  @Test func commandsForAJobThatIsNotHereDoNothing() {
    var ledger = Ledger()
    #expect(ledger.tell(id, attempt: 1, .cancel) == nil)
    #expect(ledger.stop(id, attempt: 1) == nil)
    #expect(!ledger.has(id))
  }

  @Test func aDrainingWorkerGivesBackWhatItIsGranted() throws {
    var ledger = Ledger()
    _ = ledger.arrive(try ticket())
    ledger.drain()
    #expect(ledger.begin(id, attempt: 1, "task") == .giveBack)
  }

  @Test func itHasWhatItClaimsRunsOrHasReported() throws {
    var ledger = Ledger()
    #expect(!ledger.has(id))
    _ = ledger.arrive(try ticket())
    #expect(ledger.has(id))
    _ = ledger.begin(id, attempt: 1, "task")
    #expect(ledger.has(id))
    _ = ledger.leave(id, .reported(attempt: 1))
    #expect(ledger.has(id))
  }

  @Test func itHasNotWhatWasRefusedOrLeftUnsettled() throws {
    for departure in [Ledger.Departure.refused, .unsettled] {
      var ledger = try running()
      _ = ledger.leave(id, departure)
      #expect(!ledger.has(id), "\(departure)")
    }
  }

  @Test func aLaterClaimThatIsGivenUpForgetsTheEarlierReport() throws {
    var ledger = try running()
    _ = ledger.leave(id, .reported(attempt: 1))
    _ = ledger.arrive(try ticket(2))
    // The claim may have been granted; to say "I have it" would leave the job with nobody.
    _ = ledger.leave(id, .unsettled)
    #expect(!ledger.has(id))
  }

  @Test func aRefusedClaimKeepsTheEarlierReport() throws {
    var ledger = try running()
    _ = ledger.leave(id, .reported(attempt: 1))
    _ = ledger.arrive(try ticket(2))
    _ = ledger.leave(id, .refused)
    #expect(ledger.has(id))
  }

  @Test func aRefusedReportIsForgotten() throws {
    var ledger = try running(2)
    _ = ledger.leave(id, .reported(attempt: 2))
    _ = ledger.stop(id, attempt: 1)
    #expect(ledger.has(id))
    _ = ledger.stop(id, attempt: 2)
    #expect(!ledger.has(id))
  }

  @Test func onlyTheLastReportsAreRemembered() {
    var recent = RecentAttempts(limit: 3)
    let ids = (0..<5).map { _ in JobID() }
    for (index, id) in ids.enumerated() { recent.insert(id, attempt: index) }
    #expect(ids.map { recent[$0] } == [nil, nil, 2, 3, 4])
    // Reported again, it is the newest.
    recent.insert(ids[2], attempt: 9)
    recent.insert(ids[0], attempt: 10)
    recent.insert(ids[1], attempt: 11)
    #expect(ids.map { recent[$0] } == [10, 11, 9, nil, nil])
    recent.remove(ids[2])
    #expect(recent[ids[2]] == nil)
  }
}
