import Testing

@testable import AMQP

@Suite("First in, first out; and earliest first")
struct QueueStructureTests {
  @Test("A FIFO gives back what it got, in order, however pushes and pops alternate")
  func fifo() {
    var queue = FIFO<Int>()
    var (pushed, popped) = (0, 0)
    var generator = SplitMix(seed: 1)
    for _ in 0..<2_000 {
      for _ in 0..<Int.random(in: 0...4, using: &generator) {
        queue.append(pushed)
        pushed += 1
      }
      for _ in 0..<Int.random(in: 0...4, using: &generator) where !queue.isEmpty {
        #expect(queue.first == popped)
        #expect(queue.popFirst() == popped)
        popped += 1
      }
      #expect(queue.count == pushed - popped)
    }
    #expect(queue.removeAll() == Array(popped..<pushed))
    #expect(queue.popFirst() == nil)
    #expect(queue.isEmpty)
  }

  @Test("Deadlines come out when due, earliest first, pruned ones not at all")
  func deadlines() {
    let start = ContinuousClock.now
    var queue = DeadlineQueue<Int>()
    var generator = SplitMix(seed: 2)
    for item in (0..<500).shuffled(using: &generator) {
      queue.insert(item, at: start + .milliseconds(item))
    }
    #expect(queue.next == start)
    #expect(queue.pop(due: start - .milliseconds(1)) == nil)
    queue.prune { $0 % 2 == 1 }
    #expect(queue.count == 250)
    var out: [Int] = []
    while let item = queue.pop(due: start + .milliseconds(300)) { out.append(item) }
    #expect(out == Array(stride(from: 0, through: 300, by: 2)))
    #expect(queue.next == start + .milliseconds(302))
  }

  @Test("A deadline fires once, and not after it was cancelled")
  func deadline() {
    var fired = 0
    let first = Deadline { fired += 1 }
    first.fire()
    first.fire()
    let second = Deadline { fired += 1 }
    second.cancel()
    second.fire()
    #expect(fired == 1)
    #expect(!first.isPending && !second.isPending)
  }
}
