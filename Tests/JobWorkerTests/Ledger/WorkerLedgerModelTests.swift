import AMQP
import Jobs
import Testing

@testable import JobWorker

/// Every sequence of events that a ledger can see of one job, up to a length, against a model that keeps plain lists.
@Suite struct WorkerLedgerModelTests {
  private enum Event: CaseIterable {
    case arriveFirst, arriveSecond, begin, report, refuse, unsettle, cancel, stop, drain
  }

  /// What should be true.
  private struct Model {
    /// The ticket that is being claimed or run.
    var active: ReceivedTicket?
    var behind: [ReceivedTicket] = []
    var isRunning = false
    var attempt = 0
    var remembered: Int?
    var isDraining = false
    var earlyCancel = false
    var earlyStop = false
  }

  private let id = JobID()

  @Test func noTicketIsLostAndNoJobIsHereTwice() throws {
    let type = try JobTypeID("test:job")
    var count = 0
    func explore(_ ledger: WorkerLedger<Int>, _ model: Model, _ depth: Int, _ path: [Event]) {
      count += 1
      for attempt in 1...(model.attempt + 1) {
        let expected: AttemptState =
          model.remembered == attempt ? .reported : model.active != nil ? .running : .unknown
        #expect(ledger.state(of: RunningAttempt(job: id, attempt: attempt)) == expected, "\(path)")
      }
      #expect(ledger.isEmpty == (model.active == nil), "\(path)")
      #expect(ledger.attempts == (model.isRunning ? [model.attempt] : []), "\(path)")
      guard depth > 0 else { return }
      for event in Event.allCases {
        var (ledger, model) = (ledger, model)
        guard apply(event, type, &ledger, &model, path + [event]) else { continue }
        explore(ledger, model, depth - 1, path + [event])
      }
    }
    explore(WorkerLedger(), Model(), 6, [])
    #expect(count > 20_000)
  }

  /// - Returns: whether the event can happen now.
  private func apply(
    _ event: Event, _ type: JobTypeID, _ ledger: inout WorkerLedger<Int>, _ model: inout Model,
    _ path: [Event]
  ) -> Bool {
    switch event {
    case .arriveFirst, .arriveSecond:
      let ticket = ReceivedTicket(
        ticket: Ticket(job: id, type: type), queue: .compute, source: 1,
        tag: DeliveryTag(generation: event == .arriveFirst ? 1 : 2, value: UInt64(path.count)))
      let isHere = model.active != nil
      let void = model.behind.filter { $0.tag.generation < ticket.tag.generation }
      #expect(ledger.arrive(ticket) == (isHere ? .behind(voiding: void) : .claim), "\(path)")
      if isHere {
        model.behind.removeAll { $0.tag.generation < ticket.tag.generation }
        model.behind.append(ticket)
      } else {
        model.active = ticket
      }
    case .begin:
      guard model.active != nil, !model.isRunning else { return false }
      model.attempt += 1
      model.isRunning = true
      var orders: AttemptOrders = model.isDraining ? .giveBack : []
      if model.earlyCancel { orders.insert(.cancel) }
      if model.earlyStop { orders.insert(.stop) }
      #expect(ledger.begin(id, attempt: model.attempt, model.attempt) == orders, "\(path)")
    case .report, .refuse, .unsettle:
      guard model.active != nil, model.isRunning == (event == .report) || event == .unsettle
      else { return false }
      if event == .report {
        model.remembered = model.attempt
        ledger.keep(
          JobReport(
            job: id, attempt: model.attempt, worker: WorkerID(rawValue: "w"),
            content: .ended(.canceled)))
      }
      model.isRunning = false
      model.earlyCancel = false
      model.earlyStop = false
      model.active = model.behind.isEmpty ? nil : model.behind.removeFirst()
      #expect(ledger.leave(id) == model.active, "\(path)")
    case .cancel, .stop:
      // While it is claimed, of the attempt that will be granted; else of the last one.
      let isClaiming = model.active != nil && !model.isRunning
      let attempt = isClaiming ? model.attempt + 1 : model.attempt
      guard attempt > 0 else { return false }
      let reached =
        event == .cancel
        ? ledger.tell(id, attempt: attempt, .cancel) : ledger.stop(id, attempt: attempt)
      #expect(reached == (model.isRunning ? attempt : nil), "\(path)")
      if isClaiming, event == .cancel { model.earlyCancel = true }
      if isClaiming, event == .stop { model.earlyStop = true }
    case .drain:
      guard !model.isDraining else { return false }
      ledger.drain()
      model.isDraining = true
    }
    return true
  }
}
