import Testing

@testable import AMQP

@Suite("What waits to be published")
struct PublishLaneTests {
  private func batch(_ count: Int, _ answer: @escaping ([PublishVerdict]) -> Void = { _ in })
    -> PublishBatch
  {
    let publications = (0..<count).map {
      Publication(Message(text: "\($0)"), exchange: "", routingKey: "q")
    }
    return PublishBatch(publications, completion: answer)
  }

  @Test("A batch whose time is up while it waits gives its bodies up, and is not sent")
  func timedOut() {
    let lane = PublishLane(channel: 2)
    var verdicts: [PublishVerdict] = []
    let late = batch(2) { verdicts = $0 }
    let next = batch(1)
    lane.append(late)
    lane.append(next)
    late.finish("late")
    #expect(verdicts == [.notSent("late"), .notSent("late")])
    #expect(late.publications.isEmpty)
    #expect(lane.next()?.batch === next)
    #expect(lane.next() == nil)
    #expect(!lane.hasWaiting)
  }

  @Test("A batch of which one part is sent when its time is up sends no more")
  func halfSent() throws {
    let lane = PublishLane(channel: 2)
    var verdicts: [PublishVerdict] = []
    let late = batch(3) { verdicts = $0 }
    lane.append(late)
    let slot = try #require(lane.next())
    lane.tracker.sent(slot, late.publications[slot.index])
    late.finish("late")
    #expect(lane.next() == nil)
    // The broker's answer comes too late to count.
    try lane.tracker.answered(tag: 1, multiple: false, ack: true) { slot, verdict in
      slot.batch.settle(slot.index, verdict)
    }
    #expect(verdicts == [.unknown("late"), .notSent("late"), .notSent("late")])
  }

  @Test("When the channel is lost, what was sent is unknown, and what was not is sent later")
  func lost() throws {
    let lane = PublishLane(channel: 2)
    var verdicts: [PublishVerdict] = []
    lane.append(batch(2) { verdicts = $0 })
    let first = try #require(lane.next())
    lane.tracker.sent(first, first.batch.publications[first.index])
    lane.lost("gone")
    #expect(verdicts.isEmpty)
    let second = try #require(lane.next())
    #expect(second.index == 1)
    lane.tracker.sent(second, second.batch.publications[second.index])
    try lane.tracker.answered(tag: 1, multiple: false, ack: true) { slot, verdict in
      slot.batch.settle(slot.index, verdict)
    }
    #expect(verdicts == [.unknown("gone"), .confirmed])
  }

  @Test("When all ends, what was not sent says so")
  func closed() {
    let lane = PublishLane(channel: 2)
    var verdicts: [PublishVerdict] = []
    lane.append(batch(1) { verdicts = $0 })
    lane.close("the end")
    #expect(verdicts == [.notSent("the end")])
    #expect(!lane.hasWaiting)
  }
}
