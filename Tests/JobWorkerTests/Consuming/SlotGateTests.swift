import TestSupport
import Testing

@testable import JobWorker

@Suite(.timeLimit(.minutes(1))) struct SlotGateTests {
  @Test func noMoreThanTheCapacityAreIn() async {
    let gate = SlotGate(capacity: 2)
    #expect(await gate.acquire())
    #expect(await gate.acquire())
    let entered = Recorder<Bool>()
    async let third: Void = entered.add(gate.acquire())
    #expect(entered.all.isEmpty)
    gate.release()
    await third
    #expect(entered.all == [true])
  }

  @Test func aThousandTasksShareThreeSlots() async {
    let gate = SlotGate(capacity: 3)
    let inside = Recorder<Int>()
    await withTaskGroup { group in
      for _ in 0..<1_000 {
        group.addTask {
          guard await gate.acquire() else { return }
          inside.add(1)
          await Task.yield()
          inside.add(-1)
          gate.release()
        }
      }
    }
    var present = 0
    var most = 0
    for step in inside.all {
      present += step
      most = max(most, present)
    }
    #expect(inside.all.count == 2_000)
    #expect(most <= 3)
  }

  @Test func aClosedGateLetsNobodyIn() async {
    let gate = SlotGate(capacity: 1)
    #expect(await gate.acquire())
    async let waiting = gate.acquire()
    gate.close()
    #expect(await !waiting)
    gate.release()
    #expect(await !gate.acquire())
  }
}
