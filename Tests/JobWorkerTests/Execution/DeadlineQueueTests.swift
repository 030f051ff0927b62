import Jobs
import TestSupport
import Testing

@testable import JobWorker

@Suite(.timeLimit(.minutes(3))) struct DeadlineQueueTests {
  @Test func theHeapIsASortedListInWhateverOrderItIsFilled() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      var heap = DeadlineHeap<Int>()
      /// What the heap should hold: times and actions by id.
      var expected: [UInt64: (time: UInt64, action: Int)] = [:]
      for action in 0..<60 {
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
          if let id = expected.keys.randomElement(using: &random) {
            heap.cancel(id)
            // A second time does nothing.
            heap.cancel(id)
            expected[id] = nil
          }
        case 1:
          let now = UInt64.random(in: 0..<50, using: &random)
          let due = expected.filter { $0.value.time <= now }
            .sorted { ($0.value.time, $0.key) < ($1.value.time, $1.key) }
          #expect(heap.takeDue(at: now) == due.map(\.value.action))
          for (id, _) in due { expected[id] = nil }
        default:
          let time = UInt64.random(in: 0..<50, using: &random)
          expected[heap.insert(action, at: time)] = (time, action)
        }
        #expect(heap.count == expected.count)
        #expect(heap.earliest == expected.values.map(\.time).min())
      }
    }
  }

  @Test func deadlinesComeInTheirOrderAndCancelledOnesDoNot() async {
    let deadlines = DeadlineQueue()
    let rung = Recorder<Int>()
    _ = deadlines.after(.milliseconds(60)) { rung.add(3) }
    let cancelled = deadlines.after(.milliseconds(30)) { rung.add(2) }
    _ = deadlines.after(.milliseconds(10)) { rung.add(1) }
    deadlines.cancel(cancelled)
    #expect(await rung.wait { $0.count == 2 })
    #expect(rung.all == [1, 3])
    #expect(deadlines.count == 0)
    // After the timer has been idle.
    _ = deadlines.after(.zero) { rung.add(4) }
    #expect(await rung.wait { $0.count == 3 })
    deadlines.cancel(cancelled)
  }

  @Test func aDeadlineIsNeverEarly() async {
    let deadlines = DeadlineQueue()
    let signal = Signal()
    let start = ContinuousClock.now
    _ = deadlines.after(.milliseconds(50)) { signal.fire() }
    #expect(await signal.wait(for: .seconds(10)))
    #expect(ContinuousClock.now - start >= .milliseconds(50))
  }

  @Test func timeThatIsMovedByHandStandsStillUntilThen() async {
    let deadlines = DeadlineQueue.movedByHand()
    let rung = Recorder<String>()
    @Sendable func note(_ name: String) { rung.add("\(name) at \(deadlines.elapsed.milliseconds)") }
    _ = deadlines.after(.milliseconds(60)) { note("third") }
    let cancelled = deadlines.after(.milliseconds(30)) { note("none") }
    _ = deadlines.after(.milliseconds(10)) {
      note("first")
      _ = deadlines.after(.milliseconds(20)) { note("second") }
    }
    deadlines.cancel(cancelled)
    #expect(deadlines.untilFirst == .milliseconds(10))
    deadlines.move(by: .milliseconds(9))
    #expect(rung.all.isEmpty)
    #expect(deadlines.untilFirst == .milliseconds(1))
    // Exactly at its time, and what it begins counts from there.
    deadlines.move(by: .milliseconds(41))
    #expect(rung.all == ["first at 10", "second at 30"])
    deadlines.move(by: .longest)
    #expect(rung.all.last == "third at 60")
    #expect(deadlines.untilFirst == nil)
    #expect(deadlines.elapsed == .milliseconds(50) + .longest)
  }

  @Test func aDeadlineMayBeACenturyAway() {
    let deadlines = DeadlineQueue()
    deadlines.cancel(deadlines.after(.longest * 1000) {})
    #expect(deadlines.count == 0)
  }
}
