import AMQP
import Jobs
import Testing

@testable import JobWorker

/// Many random histories of a lane, with a broker, a server and jobs that are plain lists and counts.
@Suite struct LaneModelTests {
  /// Always the same for the same seed.
  private struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }

  private struct World {
    let capacity: Int
    var lane: LaneState
    var queue = QueueModel()
    var now = ContinuousClock.now
    /// What the lane has asked for and has not been told yet.
    var opening: [(source: Int, prefetch: Int)] = []
    var ending: [Int] = []
    var claim: Int?
    var finishes = 0
    /// Messages that are no tickets and are being dealt with.
    var others: [(source: Int, tag: DeliveryTag)] = []
    /// The server's.
    var due = 0
    var foreign = 0
    var isParked = false
    var wakeUps = 0
    var submitted = 0
    var jobs = 0
    var ended = 0
    var ticks = 0

    init(capacity: Int) {
      self.capacity = capacity
      lane = LaneState(LaneState.Settings(capacity: capacity, mostOfClaim: 3))
      perform(lane.start())
    }

    mutating func perform(_ actions: [LaneState.Action]) {
      for action in actions {
        switch action {
        case .open(let source, let prefetch): opening.append((source, prefetch))
        case .cancel(let source):
          queue.cancel(source)
          ending.append(source)
        case .ack(let batch): queue.ack(batch.tags, of: batch.source)
        case .giveBack(let batch): queue.nack(batch.tags, of: batch.source)
        case .forget: break
        case .claim(let count):
          #expect(claim == nil)
          #expect(count > 0 && count <= 3)
          #expect(jobs + count <= capacity)
          claim = count
        case .finish: finishes += 1
        }
      }
      check()
    }

    func check() {
      #expect(lane.running == jobs)
      #expect(jobs <= capacity)
      #expect(lane.unclaimed >= 0)
      #expect(queue.faults == 0)
      // No job waits without a ticket.
      #expect(queue.tickets >= due + foreign)
      #expect(queue.prefetch + opening.reduce(0) { $0 + $1.prefetch } <= capacity)
    }

    // MARK: What may happen

    mutating func submit() {
      submitted += 1
      due += 1
      queue.publish()
      if isParked {
        isParked = false
        wakeUps += 1
      }
    }

    mutating func deliver(to source: Int, atMost limit: Int) {
      let (tickets, others) = queue.deliver(to: source, atMost: limit)
      self.others += others.map { (source, $0) }
      perform(lane.delivered(tickets, others: others, by: source, at: now))
    }

    mutating func answer(_ refusal: ClaimAnswer.Rest? = nil) {
      guard let count = claim else { return }
      claim = nil
      if let refusal { return perform(lane.answered(jobs: 0, refusal, at: now)) }
      let granted = min(count, due)
      due -= granted
      jobs += granted
      let rest: ClaimAnswer.Rest = granted < count && foreign > 0 ? .park : .void
      if rest == .park { isParked = true }
      perform(lane.answered(jobs: granted, rest, at: now))
    }

    mutating func end() {
      guard jobs > 0 else { return }
      jobs -= 1
      ended += 1
      perform(lane.finished(isSettled: true))
    }

    mutating func open(_ index: Int) {
      let (source, prefetch) = opening.remove(at: index)
      queue.subscribe(source, prefetch: prefetch)
      perform(lane.opened(source))
    }

    mutating func endSubscription(_ index: Int) {
      perform(lane.ended(ending.remove(at: index)))
    }

    mutating func settleOther() {
      guard let (source, tag) = others.popLast() else { return }
      queue.ack([tag], of: source)
      perform(lane.settled([tag], of: source))
    }

    mutating func tick(_ duration: Duration) {
      ticks += 1
      now += duration
      perform(lane.tick(at: now))
    }

    mutating func wake() {
      guard wakeUps > 0 else { return }
      wakeUps -= 1
      perform(lane.wake())
    }

    private var progress: [Int] {
      [
        queue.readyCount, queue.unackedCount, opening.count, ending.count, others.count, due, ended,
        ticks,
      ]
    }

    /// All that is under way comes to its end, for as long as there is anything.
    mutating func settle() {
      var quiet = 0
      for _ in 0..<10_000 {
        let before = progress
        while !opening.isEmpty { open(0) }
        while !ending.isEmpty { endSubscription(0) }
        while !others.isEmpty { settleOther() }
        while wakeUps > 0 { wake() }
        for source in queue.listeners { deliver(to: source, atMost: .max) }
        answer()
        while jobs > 0 { end() }
        if let next = lane.nextDeadline { tick(max(.zero, next - now)) }
        // A subscription may take the place of another.
        quiet = before == progress ? quiet + 1 : 0
        if quiet == 3 { return }
      }
      Issue.record("it never comes to an end")
    }
  }

  private func step(_ world: inout World, _ random: inout Random) {
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<15: world.submit()
    case 15..<20:
      world.foreign += 1
      world.queue.publish()
    case 20..<25: world.queue.publish(tickets: Bool.random(using: &random))
    case 25..<45:
      guard let source = world.queue.listeners.randomElement(using: &random) else { return }
      world.deliver(to: source, atMost: Int.random(in: 1...4, using: &random))
    case 45..<58: world.answer()
    case 58..<61: world.answer([.again, .unregistered].randomElement(using: &random))
    case 61..<74: world.end()
    case 74..<79:
      guard let index = world.opening.indices.randomElement(using: &random) else { return }
      world.open(index)
    case 79..<84:
      guard let index = world.ending.indices.randomElement(using: &random) else { return }
      world.endSubscription(index)
    case 84..<86: world.queue.reconnect()
    case 86..<90: world.tick(.milliseconds(Int.random(in: 1...2_000, using: &random)))
    case 90: world.tick(.seconds(Int.random(in: 1...700, using: &random)))
    case 91..<93: world.settleOther()
    case 93..<96: world.wake()
    case 96: world.perform(world.lane.renew())
    case 97: world.perform(world.lane.wake())
    case 98: world.perform(world.lane.pause(for: .worker))
    default: world.perform(world.lane.resume(from: .worker))
    }
  }

  /// A random history, up to a random moment.
  private func history(_ seed: UInt64) -> (World, Random) {
    var random = Random(state: seed)
    var world = World(capacity: Int.random(in: 1...6, using: &random))
    for _ in 0..<Int.random(in: 1...300, using: &random) { step(&world, &random) }
    return (world, random)
  }

  @Test func whateverHappensEveryJobRunsOnceAndNoTicketIsLeft() {
    var (jobs, lanes) = (0, 0)
    for seed in UInt64(0)..<600 {
      var (world, _) = history(seed)
      world.perform(world.lane.resume(from: .worker))
      // Somebody else has run them, and their tickets are there still.
      world.foreign = 0
      world.settle()
      #expect(world.due == 0, "seed \(seed)")
      #expect(world.ended == world.submitted, "seed \(seed)")
      #expect(world.queue.tickets == 0, "seed \(seed)")
      #expect(world.queue.unackedCount == 0, "seed \(seed)")
      jobs += world.ended
      lanes += 1
    }
    #expect(jobs > 10 * lanes)
  }

  @Test func whateverHappensALaneThatDrainsLeavesAllThatItHasNotRunToOthers() {
    for seed in UInt64(0)..<600 {
      var (world, _) = history(seed)
      let due = world.due
      world.perform(world.lane.drain())
      let granted = world.claim ?? 0
      world.settle()
      #expect(world.finishes == 1, "seed \(seed)")
      #expect(world.due >= due - granted, "seed \(seed)")
      #expect(world.queue.unackedCount == 0, "seed \(seed)")
      #expect(world.queue.listeners.isEmpty, "seed \(seed)")
    }
  }

  @Test func whateverHappensALaneCanLeave() {
    for seed in UInt64(0)..<200 {
      var (world, random) = history(seed)
      world.perform(world.lane.leave())
      #expect(world.finishes == 1)
      #expect(world.lane.nextDeadline == nil)
      world.answer()
      while world.jobs > 0, Bool.random(using: &random) { world.end() }
      #expect(world.finishes == 1)
      #expect(world.claim == nil)
    }
  }
}
