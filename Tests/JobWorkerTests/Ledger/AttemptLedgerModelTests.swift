import Jobs
import Testing

@testable import JobWorker

/// Every sequence of events that a ledger can see of one job, up to a length, against a model that keeps plain lists.
@Suite struct AttemptLedgerModelTests {
  private enum Event: CaseIterable {
    case claim, grant, refuse, report, leave, cancel, stop, ask, drain
  }

  /// What was said of an attempt that is not here, with the claims that were in flight.
  private struct Remark {
    let attempt: Int
    var claims: Set<UInt64>
  }

  /// What should be true.
  private struct Model {
    var claims: [UInt64] = []
    var lastAttempt = 0
    var running: [Int] = []
    var reported: Int?
    var cancels: [Remark] = []
    var stops: [Remark] = []
    var asked: [Remark] = []
    var isDraining = false

    /// Whatever is said of the job anew keeps what was said of it before.
    mutating func remember() {
      for index in cancels.indices { cancels[index].claims = Set(claims) }
      for index in stops.indices { stops[index].claims = Set(claims) }
    }

    /// Forgets what was said while only claims were in flight that are over.
    mutating func forget() {
      cancels.removeAll { $0.claims.isDisjoint(with: claims) }
      stops.removeAll { $0.claims.isDisjoint(with: claims) }
    }
  }

  private let id = JobID()

  private func attempt(_ number: Int) -> RunningAttempt {
    RunningAttempt(job: id, attempt: number)
  }

  @Test func noOrderIsLostAndNoAttemptIsHereTwice() {
    var count = 0
    func explore(_ ledger: AttemptLedger<Int>, _ model: Model, _ depth: Int, _ path: [Event]) {
      count += 1
      #expect(ledger.isEmpty == model.running.isEmpty, "\(path)")
      #expect(ledger.attempts.sorted() == model.running, "\(path)")
      #expect(ledger.running.map(\.attempt).sorted() == model.running, "\(path)")
      guard depth > 0 else { return }
      for event in Event.allCases {
        var (ledger, model) = (ledger, model)
        guard apply(event, &ledger, &model, path + [event]) else { continue }
        explore(ledger, model, depth - 1, path + [event])
      }
    }
    explore(AttemptLedger(), Model(), 6, [])
    #expect(count > 20_000)
  }

  /// - Returns: whether the event can happen now.
  private func apply(
    _ event: Event, _ ledger: inout AttemptLedger<Int>, _ model: inout Model, _ path: [Event]
  ) -> Bool {
    switch event {
    case .claim:
      guard model.claims.count < 2 else { return false }
      model.claims.append(ledger.beginClaim())
    case .grant:
      guard !model.claims.isEmpty else { return false }
      grant(&ledger, &model, path)
    case .refuse:
      guard !model.claims.isEmpty else { return false }
      #expect(ledger.endClaim(model.claims.removeFirst()).isEmpty)
      model.forget()
    case .report:
      guard let number = model.running.last else { return false }
      model.reported = number
      ledger.keep(
        JobReport(
          job: id, attempt: number, worker: WorkerID(rawValue: "w"), content: .ended(.canceled)))
    case .leave:
      guard !model.running.isEmpty else { return false }
      ledger.leave(attempt(model.running.removeFirst()))
    case .cancel, .stop:
      order(event, &ledger, &model, path)
    case .ask:
      for number in 1...(model.lastAttempt + 1) { ask(number, &ledger, &model, path) }
    case .drain:
      guard !model.isDraining else { return false }
      ledger.drain()
      model.isDraining = true
    }
    return true
  }

  private func grant(_ ledger: inout AttemptLedger<Int>, _ model: inout Model, _ path: [Event]) {
    model.lastAttempt += 1
    let number = model.lastAttempt
    var orders: AttemptOrders = model.isDraining ? .giveBack : []
    if model.cancels.contains(where: { $0.attempt == number }) { orders.insert(.cancel) }
    if model.stops.contains(where: { $0.attempt >= number }) { orders.insert(.stop) }
    let beginnings = ledger.endClaim(
      model.claims.removeFirst(), granted: [(attempt(number), number)])
    #expect(beginnings.map(\.orders) == [orders], "\(path)")
    #expect(beginnings.map(\.isRepeated) == [false], "\(path)")
    // All earlier ones have been stopped by then.
    #expect(beginnings.map(\.superseded) == [model.running.suffix(1)], "\(path)")
    model.running.append(number)
    model.forget()
  }

  /// Of the attempt that is granted next, while one is claimed; else of the last one.
  private func order(
    _ event: Event, _ ledger: inout AttemptLedger<Int>, _ model: inout Model, _ path: [Event]
  ) {
    let number = model.claims.isEmpty ? max(1, model.lastAttempt) : model.lastAttempt + 1
    let remark = Remark(attempt: number, claims: Set(model.claims))
    if event == .cancel {
      let reached = ledger.tell(attempt(number), .cancel)
      #expect(reached == model.running.first { $0 == number }, "\(path)")
      if reached == nil, !model.claims.isEmpty {
        model.cancels.append(remark)
        model.remember()
      }
    } else {
      let reached = ledger.stop(attempt(number))
      #expect(reached.sorted() == model.running.filter { $0 <= number }, "\(path)")
      if !model.claims.isEmpty {
        model.stops.append(remark)
        model.remember()
      }
    }
  }

  private func ask(
    _ number: Int, _ ledger: inout AttemptLedger<Int>, _ model: inout Model, _ path: [Event]
  ) {
    let expected: AttemptState
    if model.reported == number {
      expected = .reported
    } else if model.running.contains(number) {
      expected = .running
    } else if let index = model.asked.firstIndex(where: { $0.attempt == number }) {
      let isOpen = !model.asked[index].claims.isDisjoint(with: model.claims)
      if !isOpen { model.asked.remove(at: index) }
      expected = isOpen ? .running : .unknown
    } else if model.claims.isEmpty {
      expected = .unknown
    } else {
      model.asked.append(Remark(attempt: number, claims: Set(model.claims)))
      expected = .running
    }
    #expect(ledger.state(of: attempt(number)) == expected, "\(number) after \(path)")
  }
}
