import Jobs
import Testing

@testable import JobWorker

@Suite struct AttemptOutcomeTests {
  private func outcome(
    _ result: Result<JSONPayload?, any Error>, _ orders: AttemptOrders = [],
    limits: OutcomeLimits = OutcomeLimits(),
    decide: (@Sendable (any Error) -> RetryDecision?)? = nil
  ) -> AttemptOutcome {
    AttemptOutcome(
      of: result, orders: orders,
      limit: AttemptTimeLimit(timeout: .seconds(2), stall: .seconds(30)), limits: limits,
      decide: decide)
  }

  /// All combinations of orders, with the first in the table's order that decides.
  private static let orders: [(AttemptOrders, deciding: AttemptOrders)] = (UInt8(0)..<128).map {
    let orders = AttemptOrders(rawValue: $0)
    let deciding = [AttemptOrders.stop, .abandon, .cancel, .suspend, .timeOut, .stall, .giveBack]
      .first { orders.contains($0) }
    return (orders, deciding ?? [])
  }

  @Test func theReasonOfACancellationIsTheOrderThatDecides() {
    for (orders, deciding) in Self.orders {
      let expected: CancelReason? =
        switch deciding {
        case .stop: .fenced
        case .cancel: .canceled(reason: "why")
        case .suspend: .suspending
        case .timeOut: .timedOut
        case .stall: .stalled
        case .giveBack: .shuttingDown
        default: nil
        }
      // One that is not waited for any longer has been told before, mostly.
      guard deciding != .abandon else { continue }
      #expect(CancelReason(orders, "why") == expected, "\(orders)")
    }
    #expect(CancelReason([.abandon, .cancel], nil) == .canceled(reason: nil))
    #expect(CancelReason(.abandon, nil) == .shuttingDown)
  }

  @Test func aResultCompletesTheJobWhateverItWasTold() {
    for (orders, deciding) in Self.orders {
      let silent = deciding == .stop || deciding == .abandon
      let expected: AttemptOutcome = silent ? .silence : .report(.completed(result: ["n": 1]))
      #expect(outcome(.success(["n": 1]), orders) == expected, "\(orders)")
    }
    #expect(outcome(.success(nil)) == .report(.completed(result: nil)))
  }

  @Test func aSkipSkipsTheJobWhateverItWasTold() {
    for (orders, deciding) in Self.orders {
      let silent = deciding == .stop || deciding == .abandon
      let expected: AttemptOutcome = silent ? .silence : .report(.skipped(reason: "nothing new"))
      #expect(outcome(.failure(JobSkip(reason: "nothing new")), orders) == expected, "\(orders)")
    }
  }

  @Test func anErrorMeansWhatTheAttemptWasTold() {
    for (orders, deciding) in Self.orders {
      let expected: AttemptOutcome =
        switch deciding {
        case .stop, .abandon: .silence
        case .cancel, .suspend: .report(.canceled)
        case .timeOut:
          .report(
            .timedOut(
              error: "took longer than its time-out of 2.0 seconds: the disk is on fire"))
        case .stall:
          .report(.timedOut(error: "stalled: no progress for 30 s: the disk is on fire"))
        case .giveBack: .report(.returned)
        default: .report(.failed(error: "the disk is on fire", permanent: false))
        }
      #expect(outcome(.failure(TestFailure()), orders) == expected, "\(orders)")
    }
  }

  @Test func aPermanentFailureStaysOneUnlessTheJobIsCanceledOrLate() {
    for (orders, deciding) in Self.orders {
      let expected: AttemptOutcome =
        switch deciding {
        case .stop, .abandon: .silence
        case .cancel, .suspend: .report(.canceled)
        case .timeOut:
          .report(.timedOut(error: "took longer than its time-out of 2.0 seconds: no such file"))
        case .stall: .report(.timedOut(error: "stalled: no progress for 30 s: no such file"))
        default: .report(.failed(error: "no such file", permanent: true))
        }
      #expect(outcome(.failure(PermanentFailure("no such file")), orders) == expected, "\(orders)")
    }
  }

  @Test func whatSaysWhenToRunAgainIsReportedUnlessTheJobIsCanceledOrLate() {
    let own: [(any Error, JobOutcome, String)] = [
      (
        RetryAfter(.seconds(30), because: "busy"),
        .retryAfter(error: "busy", delay: .seconds(30), counted: true), "busy"
      ),
      (
        RetryAfter(.seconds(30), counted: false, because: TestFailure()),
        .retryAfter(error: "the disk is on fire", delay: .seconds(30), counted: false),
        "the disk is on fire"
      ),
      (Snooze(.seconds(9)), .snoozed(.seconds(9), reason: nil), "snoozed"),
      (Snooze(.seconds(9), "early"), .snoozed(.seconds(9), reason: "early"), "snoozed: early"),
    ]
    for (error, undisturbed, text) in own {
      for (orders, deciding) in Self.orders {
        let expected: AttemptOutcome =
          switch deciding {
          case .stop, .abandon: .silence
          case .cancel, .suspend: .report(.canceled)
          case .timeOut:
            .report(.timedOut(error: "took longer than its time-out of 2.0 seconds: \(text)"))
          case .stall: .report(.timedOut(error: "stalled: no progress for 30 s: \(text)"))
          default: .report(undisturbed)
          }
        // What it says itself, nobody else is asked about.
        #expect(
          outcome(.failure(error), orders, decide: { _ in .fail }) == expected, "\(orders)")
      }
    }
  }

  @Test func aTypeDecidesByTheErrorWhatBecomesOfItsJob() {
    let text = "the disk is on fire"
    let decisions: [(RetryDecision?, JobOutcome)] = [
      (nil, .failed(error: text, permanent: false)),
      (.retry, .failed(error: text, permanent: false)),
      (.fail, .failed(error: text, permanent: true)),
      (.retryAfter(.seconds(5)), .retryAfter(error: text, delay: .seconds(5), counted: true)),
      (
        .retryAfter(.seconds(5), counted: false),
        .retryAfter(error: text, delay: .seconds(5), counted: false)
      ),
      (.snooze(.seconds(5)), .snoozed(.seconds(5), reason: text)),
    ]
    for (decision, expected) in decisions {
      #expect(
        outcome(.failure(TestFailure()), decide: { $0 is TestFailure ? decision : nil })
          == .report(expected))
      // It was told to end: what it throws then says nothing of the job.
      #expect(
        outcome(.failure(TestFailure()), .giveBack, decide: { _ in decision })
          == .report(.returned))
      #expect(
        outcome(.failure(TestFailure()), .cancel, decide: { _ in decision }) == .report(.canceled))
      #expect(
        outcome(.failure(PermanentFailure("no")), decide: { _ in decision })
          == .report(.failed(error: "no", permanent: true)))
      #expect(
        outcome(.failure(JobSkip(reason: "no")), decide: { _ in decision })
          == .report(.skipped(reason: "no")))
      #expect(
        outcome(.failure(Interruption(description: "no")), decide: { _ in decision })
          == .report(.returned))
    }
  }

  @Test func cancellationThatNobodyOrderedIsAFailure() {
    #expect(
      outcome(.failure(CancellationError()))
        == .report(.failed(error: "CancellationError()", permanent: false)))
    #expect(
      outcome(.failure(CancellationError()), .timeOut)
        == .report(.timedOut(error: "took longer than its time-out of 2.0 seconds")))
  }

  @Test func whatAnAttemptHasOutrunIsSaidInFewWords() {
    let limit = AttemptTimeLimit(timeout: .seconds(2), stall: .milliseconds(1500))
    #expect(limit.excess(.stall) == "stalled: no progress for 1.5 s")
    #expect(limit.excess([.stall, .timeOut]) == "took longer than its time-out of 2.0 seconds")
    #expect(
      AttemptOutcome.overdue(limit, after: .stall, grace: .seconds(10))
        == .timedOut(
          error:
            "stalled: no progress for 1.5 s, and has not ended within 10.0 seconds of being told to"
        ))
  }

  @Test func aResultThatIsTooLargeFailsForGood() {
    let limits = OutcomeLimits(result: 10)
    #expect(
      outcome(.success("12345678"), limits: limits)
        == .report(.completed(result: "12345678")))
    #expect(
      outcome(.success("123456789"), limits: limits)
        == .report(
          .failed(
            error: "the result has 11 bytes as JSON; a job's result may have 10", permanent: true)))
  }

  @Test func aResultThatIsNestedTooDeeplyFailsForGood() throws {
    var deep: JSONValue = 1
    for _ in 0..<JSONValue.maxDepth { deep = [deep] }
    #expect(
      outcome(.success(JSONPayload(deep))) == .report(.completed(result: JSONPayload(deep))))
    #expect(
      outcome(.success(JSONPayload([deep])))
        == .report(
          .failed(
            error:
              "the result cannot be sent: arrays and objects are nested more than 100 levels deep",
            permanent: true)))
  }

  @Test func messagesAreBounded() {
    let limits = OutcomeLimits(message: 7)
    #expect(limits.bounded("1234567") == "1234567")
    #expect(limits.bounded("12345678") == "1234567… [cut: 8 bytes]")
    // The last character would be cut in two.
    #expect(limits.bounded("123456é8") == "123456… [cut: 9 bytes]")
    #expect(limits.bounded("👨‍👩‍👧‍👦") == "… [cut: 25 bytes]")
    #expect(
      outcome(.failure(PermanentFailure("12345678")), limits: limits)
        == .report(.failed(error: "1234567… [cut: 8 bytes]", permanent: true)))
  }
}
