import Jobs
import Testing

@testable import JobWorker

@Suite struct AttemptOutcomeTests {
  private func outcome(
    _ result: Result<JSONPayload?, any Error>, _ orders: AttemptOrders = [],
    limits: OutcomeLimits = OutcomeLimits()
  ) -> AttemptOutcome {
    AttemptOutcome(of: result, orders: orders, timeout: .seconds(2), limits: limits)
  }

  /// All combinations of orders, with the first in the table's order that decides.
  private static let orders: [(AttemptOrders, deciding: AttemptOrders)] = (UInt8(0)..<32).map {
    let orders = AttemptOrders(rawValue: $0)
    let deciding = [AttemptOrders.stop, .abandon, .cancel, .timeOut, .giveBack].first {
      orders.contains($0)
    }
    return (orders, deciding ?? [])
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
        case .cancel: .report(.canceled)
        case .timeOut:
          .report(
            .timedOut(
              error: "took longer than its time-out of 2.0 seconds: the disk is on fire"))
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
        case .cancel: .report(.canceled)
        case .timeOut:
          .report(.timedOut(error: "took longer than its time-out of 2.0 seconds: no such file"))
        default: .report(.failed(error: "no such file", permanent: true))
        }
      #expect(outcome(.failure(PermanentFailure("no such file")), orders) == expected, "\(orders)")
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
