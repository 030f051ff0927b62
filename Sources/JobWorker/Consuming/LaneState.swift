import AMQP
import Jobs

/// One queue that a worker takes jobs from, as a pure value: its subscriptions, the tickets in hand, the claim that is in
/// flight, and how many jobs run. Events are mutating functions; each returns what is to be done about it, in this order.
///
/// A ticket belongs to no job, so that tickets and jobs are only counted. Of the tickets in hand, some stand for running
/// jobs, some are asked with at the moment, and the rest are *unclaimed*. When a job has ended, the oldest ticket is
/// acknowledged.
///
/// Running jobs may have no ticket: those whose connection was lost, since the broker has taken their tickets back
/// (*bare*), and those that take longer than the broker waits for an acknowledgement (*detached*). They keep their slots.
struct LaneState: Sendable {
  typealias Instant = ContinuousClock.Instant

  enum Action: Sendable, Hashable {
    /// Subscribe to the queue; then tell ``opened(_:)``, or ``notOpened(_:)``.
    case open(source: Int, prefetch: Int)
    /// End a subscription. When all that it has delivered has been told, tell ``ended(_:)``.
    case cancel(source: Int)
    case ack(TicketsInHand.Batch)
    case giveBack(TicketsInHand.Batch)
    /// All that a subscription has delivered is settled.
    case forget(source: Int)
    /// Ask for so many jobs; then tell ``answered(jobs:_:at:)``, or ``unanswered()``.
    case claim(count: Int)
    /// There is nothing left to be waited for.
    case finish
  }

  struct Settings: Sendable {
    /// How many jobs may run at once.
    var capacity: Int
    /// The most jobs of one claim.
    var mostOfClaim = 256
    /// How long a ticket may be held; less than the broker's consumer timeout.
    var detachAfter = Duration.seconds(600)
    /// How long tickets without jobs are kept before they are given back.
    var parkingTime = Duration.seconds(1)
    /// After that a lane that was not woken asks by itself: a command may be lost.
    var longestPark = Duration.seconds(60)
    /// Before a claim that got nothing is followed by another one; doubled each time, up to the longest.
    var firstPause = Duration.milliseconds(50)
    var longestPause = Duration.seconds(1)
  }

  private struct Claim {
    let count: Int
    /// Less than the count when some were lost with their connection.
    var tickets: Int
  }

  private enum Phase {
    case working
    /// Takes on nothing more.
    case draining
    /// Nothing is waited for, or there is nothing left.
    case over
  }

  private enum Parking {
    case none
    /// Tickets are kept for a moment, in case it is woken.
    case waiting(until: Instant)
    /// Takes nothing from its queue.
    case stopped(until: Instant)
  }

  let settings: Settings
  private var phase = Phase.working
  /// What keeps it from taking jobs.
  private var outages: Set<OutageScope> = []
  private var parking = Parking.none
  /// It was woken while a claim was in flight, whose answer may be older than that.
  private var isWoken = false
  /// Nobody subscribes any more: the connection has ended.
  private var isClosed = false

  private var subscriptions = LaneSubscriptions()
  private var tickets = TicketsInHand()
  /// Not to detach anything before; there was nothing that could be.
  private var noDetachBefore: Instant?

  private var claim: Claim?
  private var noClaimBefore: Instant?
  private var nextPause: Duration

  /// How many jobs run.
  private(set) var running = 0
  private var bare = 0
  private var detached = 0

  private var actions: [Action] = []

  init(_ settings: Settings) {
    self.settings = settings
    nextPause = settings.firstPause
  }

  /// Whether it waits to be woken.
  var isParked: Bool { if case .none = parking { false } else { true } }

  /// How many tickets stand neither for a job nor for a claim.
  var unclaimed: Int { tickets.count - covered - (claim?.tickets ?? 0) }

  /// Running jobs with a ticket.
  private var covered: Int { running - bare - detached }

  private var freeSlots: Int { max(0, settings.capacity - running - (claim?.count ?? 0)) }

  private var isStopped: Bool { if case .stopped = parking { true } else { false } }

  /// Whether tickets are of any use.
  private var isTaking: Bool { phase == .working && outages.isEmpty && !isStopped }

  // MARK: Time

  /// When ``tick(at:)`` is to be told at the latest.
  var nextDeadline: Instant? {
    guard phase != .over else { return nil }
    var next = noClaimBefore
    switch parking {
    case .none: break
    case .waiting(let until), .stopped(let until): next = min(next ?? until, until)
    }
    if let oldest = tickets.oldest {
      let due = max(oldest.arrived + settings.detachAfter, noDetachBefore ?? oldest.arrived)
      next = min(next ?? due, due)
    }
    return next
  }

  mutating func tick(at now: Instant) -> [Action] {
    switch parking {
    case .waiting(let until) where until <= now:
      parking = unclaimed > 0 ? .stopped(until: now + settings.longestPark) : .none
    case .stopped(let until) where until <= now:
      parking = .none
    case .none, .waiting, .stopped: break
    }
    if let time = noClaimBefore, time <= now { noClaimBefore = nil }
    if phase != .over { detach(at: now) }
    return proceed()
  }

  /// Settles tickets that have been held for long, since RabbitMQ ends the channel of a consumer that holds one for longer
  /// than its consumer timeout, 30 minutes by default.
  private mutating func detach(at now: Instant) {
    func isDue(_ ticket: TicketsInHand.Ticket) -> Bool {
      ticket.arrived + settings.detachAfter <= now && (noDetachBefore ?? now) <= now
    }
    while covered > 0, let oldest = tickets.oldest, isDue(oldest) {
      ack(1)
      detached += 1
      if subscriptions.giveUp(oldest.source) { actions.append(.cancel(source: oldest.source)) }
    }
    guard let oldest = tickets.oldest, isDue(oldest) else { return }
    noDetachBefore = now + settings.detachAfter
    // They wait for the slots of jobs from before a reconnection, while another worker may have free ones.
    guard bare > 0, unclaimed > freeSlots else { return }
    detached += bare
    bare = 0
    giveUpAll()
  }

  // MARK: Subscriptions

  mutating func start() -> [Action] { proceed() }

  mutating func opened(_ source: Int) -> [Action] {
    if !subscriptions.opened(source) { actions.append(.cancel(source: source)) }
    return proceed()
  }

  /// It could not be subscribed, and cannot be: the worker ends, or its connection does.
  mutating func notOpened(_ source: Int) -> [Action] {
    subscriptions.notOpened(source)
    isClosed = true
    return proceed()
  }

  /// All that the subscription has delivered has been told, and there will be no more.
  mutating func ended(_ source: Int) -> [Action] {
    subscriptions.ended(source)
    return proceed()
  }

  /// The broker has delivered tickets, and other messages, which are being dealt with.
  mutating func delivered(
    _ tags: [DeliveryTag], others: [DeliveryTag] = [], by source: Int, at now: Instant
  ) -> [Action] {
    guard let generation = (tags.first ?? others.first)?.generation,
      subscriptions.isCurrent(generation, of: source)
    else { return [] }
    let isAnew = subscriptions.delivered(
      tickets: tags.count, others: others.count, generation: generation, by: source)
    if isAnew { lose(source, before: generation) }
    tickets.append(tags, from: source, at: now)
    return proceed()
  }

  /// Messages that were no tickets have been dealt with.
  mutating func settled(_ others: [DeliveryTag], of source: Int) -> [Action] {
    subscriptions.settled(others: others, of: source)
    return proceed()
  }

  /// Subscribe anew: the broker's own account of its consumers is in doubt.
  mutating func renew() -> [Action] {
    giveUpAll()
    return proceed()
  }

  /// The connection was lost, and what was unacknowledged has been queued again: unclaimed tickets, first of all; what is
  /// missing then is missing to the claim and to running jobs.
  private mutating func lose(_ source: Int, before generation: UInt64) {
    tickets.dropVoid(of: source, before: generation)
    guard unclaimed < 0 else { return }
    let ofClaim = min(-unclaimed, claim?.tickets ?? 0)
    claim?.tickets -= ofClaim
    if unclaimed < 0 { bare -= unclaimed }
  }

  private mutating func giveUpAll() {
    for source in subscriptions.giveUpAll() { actions.append(.cancel(source: source)) }
  }

  // MARK: Jobs

  /// The claim that is in flight has been answered; so many jobs of it run now.
  mutating func answered(jobs: Int, _ rest: ClaimAnswer.Rest, at now: Instant) -> [Action] {
    guard let claim else { return [] }
    self.claim = nil
    let granted = min(jobs, claim.tickets)
    running += jobs
    bare += jobs - granted
    switch rest {
    case .void:
      ack(claim.tickets - granted)
      nextPause = settings.firstPause
    case .park:
      // One that was woken asks again first.
      if !isWoken, unclaimed > 0 { parking = .waiting(until: now + settings.parkingTime) }
      nextPause = settings.firstPause
    case .again where jobs > 0:
      nextPause = settings.firstPause
    case .again, .unregistered:
      noClaimBefore = now + nextPause
      nextPause = min(nextPause * 2, settings.longestPause)
    }
    isWoken = false
    return proceed()
  }

  /// There is no answer to the claim, and it is not asked again.
  mutating func unanswered() -> [Action] {
    claim = nil
    return proceed()
  }

  /// A job has ended.
  ///
  /// - Parameter isSettled: whether its outcome is durable, or not wanted. Otherwise its ticket goes back.
  mutating func finished(isSettled: Bool) -> [Action] {
    guard running > 0 else { return [] }
    if covered > 0 {
      if isSettled { ack(1) }
    } else if bare > 0 {
      bare -= 1
    } else {
      detached -= 1
    }
    running -= 1
    return proceed()
  }

  private mutating func ack(_ count: Int) {
    for batch in tickets.takeOldest(count) {
      subscriptions.settled(tickets: batch.tags.count, of: batch.source)
      actions.append(.ack(batch))
    }
  }

  // MARK: What it is told

  /// There is something to run in the queue.
  mutating func wake() -> [Action] {
    isWoken = claim != nil
    parking = .none
    return proceed()
  }

  /// Takes nothing more until it is resumed for the same reason.
  mutating func pause(for scope: OutageScope) -> [Action] {
    outages.insert(scope)
    return proceed()
  }

  /// Takes tickets again, unless another reason is left.
  mutating func resume(from scope: OutageScope) -> [Action] {
    outages.remove(scope)
    return proceed()
  }

  /// Takes on nothing more, and finishes when all that runs has ended.
  mutating func drain() -> [Action] {
    if phase == .working { phase = .draining }
    return proceed()
  }

  /// Finishes at once.
  mutating func leave() -> [Action] {
    guard phase != .over else { return [] }
    phase = .over
    return [.finish]
  }

  // MARK: What follows

  private mutating func proceed() -> [Action] {
    defer { actions = [] }
    guard phase != .over else { return actions }
    if !isTaking { giveUpAll() }
    giveBack()
    for source in subscriptions.removeSettled() { actions.append(.forget(source: source)) }
    if isTaking { open() }
    ask()
    if phase == .draining, isEmpty {
      phase = .over
      actions.append(.finish)
    }
    return actions
  }

  /// Gives slots that no subscription has to a new one.
  private mutating func open() {
    guard !isClosed,
      let (source, prefetch) = subscriptions.open(
        of: settings.capacity - detached, capacity: settings.capacity)
    else { return }
    actions.append(.open(source: source, prefetch: prefetch))
  }

  /// Tickets that are of no use here go back, once their subscription has ended: before, they would come again.
  private mutating func giveBack() {
    let excess = isTaking ? unclaimed - freeSlots : unclaimed
    guard excess > 0 else { return }
    for batch in tickets.takeNewest(excess, from: subscriptions.hasEnded) {
      subscriptions.settled(tickets: batch.tags.count, of: batch.source)
      actions.append(.giveBack(batch))
    }
  }

  private mutating func ask() {
    guard isTaking, !isParked, claim == nil, noClaimBefore == nil else { return }
    let count = min(freeSlots, unclaimed, settings.mostOfClaim)
    guard count > 0 else { return }
    claim = Claim(count: count, tickets: count)
    actions.append(.claim(count: count))
  }

  private var isEmpty: Bool {
    running == 0 && claim == nil && tickets.count == 0 && subscriptions.isEmpty
  }
}
