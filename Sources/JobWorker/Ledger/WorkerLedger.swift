import Jobs

/// What a worker has: the jobs it is claiming, the attempts it runs, and the outcomes that it has reported. A pure value,
/// which decides what becomes of tickets and commands; whoever holds it does what it says.
///
/// A job is here at most once. A further ticket of a job that is here waits behind it, and is claimed in its turn: most
/// often it is the job's own ticket, which the broker has delivered anew after a reconnection, and its claim finds that the
/// job has ended. But it may as well be the ticket of a later attempt that has come before the end of this one was noticed;
/// to acknowledge it unclaimed would lose that.
///
/// `Attempt` is how its holder reaches a running one.
struct WorkerLedger<Attempt: Sendable>: Sendable {
  /// What to do about a ticket that has come.
  enum Arrival: Sendable, Hashable {
    /// Claim the job.
    case claim
    /// The job is here: nothing for now. Those that are void by this one are forgotten.
    case behind(voiding: [ReceivedTicket])
  }

  private enum Stage {
    /// With the latest attempts for which a command came before the claim's answer did.
    case claiming(told: Told?, stop: Int?)
    case running(number: Int, Attempt)
  }

  /// What an attempt is to be told when it begins.
  private struct Told {
    let attempt: Int
    var orders: AttemptOrders
  }

  private struct Entry {
    var stage = Stage.claiming(told: nil, stop: nil)
    var behind: [ReceivedTicket] = []
  }

  private var entries: [JobID: Entry] = [:]
  private var reported = ReportedOutcomes()
  private(set) var isDraining = false

  /// A ticket has come.
  mutating func arrive(_ ticket: ReceivedTicket) -> Arrival {
    guard entries[ticket.job] != nil else {
      entries[ticket.job] = Entry()
      return .claim
    }
    // Those of earlier subscriptions are void, and the broker has delivered them to somebody again.
    let void = entries[ticket.job]?.behind.filter { $0.isVoid(besides: ticket) } ?? []
    entries[ticket.job]?.behind.removeAll { $0.isVoid(besides: ticket) }
    entries[ticket.job]?.behind.append(ticket)
    return .behind(voiding: void)
  }

  /// The claim was granted.
  ///
  /// - Returns: what the attempt has to be told at once; empty when it may run.
  mutating func begin(_ job: JobID, attempt number: Int, _ attempt: Attempt) -> AttemptOrders {
    guard case .claiming(let told, let stop) = entries[job]?.stage else {
      assertionFailure("\(job) begins without having been claimed")
      return .stop
    }
    entries[job]?.stage = .running(number: number, attempt)
    var orders: AttemptOrders = isDraining ? .giveBack : []
    if let stop, number <= stop { orders.insert(.stop) }
    if let told, told.attempt == number { orders.formUnion(told.orders) }
    return orders
  }

  /// The job's ticket has been settled, or will be.
  ///
  /// - Returns: the ticket that waited behind it and is to be claimed now.
  mutating func leave(_ job: JobID) -> ReceivedTicket? {
    guard var entry = entries.removeValue(forKey: job), !entry.behind.isEmpty else { return nil }
    let next = entry.behind.removeFirst()
    entry.stage = .claiming(told: nil, stop: nil)
    entries[job] = entry
    return next
  }

  /// The server wants an attempt to end, canceled or suspended.
  ///
  /// - Returns: the attempt to be told, when it runs here.
  mutating func tell(_ job: JobID, attempt number: Int, _ orders: AttemptOrders) -> Attempt? {
    switch entries[job]?.stage {
    case .running(number, let attempt):
      return attempt
    case .claiming(var told, let stop):
      if let earlier = told, earlier.attempt >= number {
        if earlier.attempt == number { told?.orders.formUnion(orders) }
      } else {
        told = Told(attempt: number, orders: orders)
      }
      entries[job]?.stage = .claiming(told: told, stop: stop)
      return nil
    case .running, nil:
      return nil
    }
  }

  /// An attempt, and all before it, are no longer the job's.
  ///
  /// - Returns: the attempt to stop, when such a one runs here.
  mutating func stop(_ job: JobID, attempt number: Int) -> Attempt? {
    switch entries[job]?.stage {
    case .running(let current, let attempt):
      return current <= number ? attempt : nil
    case .claiming(let told, let stop):
      entries[job]?.stage = .claiming(told: told, stop: max(stop ?? number, number))
      return nil
    case nil:
      return nil
    }
  }

  /// The attempt, when it runs here.
  func running(_ job: JobID, attempt number: Int) -> Attempt? {
    if case .running(number, let attempt) = entries[job]?.stage { attempt } else { nil }
  }

  /// The outcome of an attempt has been reported, whether or not the attempt still holds its slot.
  mutating func keep(_ outcome: JobReport) {
    reported.keep(outcome)
  }

  /// How an attempt was reported to have ended; `nil` when that is not known here, or not any longer.
  func outcome(of attempt: RunningAttempt) -> JobReport? {
    reported.report(of: attempt)
  }

  /// What is known of an attempt. One that is reported and still runs, long after its time-out, counts as reported.
  func state(of attempt: RunningAttempt) -> AttemptState {
    if reported.report(of: attempt) != nil { return .reported }
    // While the job is being claimed, the attempt may be the one that is granted.
    return entries[attempt.job] != nil ? .running : .unknown
  }

  /// From now on nothing new is run.
  mutating func drain() {
    isDraining = true
  }

  /// All that run.
  var attempts: [Attempt] {
    entries.values.compactMap { entry in
      if case .running(_, let attempt) = entry.stage { attempt } else { nil }
    }
  }

  /// The same, as the server knows them.
  var running: [RunningAttempt] {
    entries.compactMap { job, entry in
      if case .running(let number, _) = entry.stage {
        RunningAttempt(job: job, attempt: number)
      } else {
        nil
      }
    }
  }

  /// Whether nothing is here.
  var isEmpty: Bool { entries.isEmpty }
}
