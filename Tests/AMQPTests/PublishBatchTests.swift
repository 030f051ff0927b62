import Testing

@testable import AMQP

@Suite("A batch of publications")
struct PublishBatchTests {
  private final class Verdicts {
    var all: [PublishVerdict]?
  }

  private func publication(
    _ text: String, exchange: String = "", mandatory: Bool = false,
    properties: MessageProperties = MessageProperties(deliveryMode: .persistent)
  ) -> Publication {
    Publication(
      Message(text: text, properties: properties), exchange: exchange, routingKey: "key",
      mandatory: mandatory)
  }

  private func batch(
    _ publications: [Publication], frameMax: Int = 4_096
  ) -> (PublishBatch, Verdicts) {
    let (cost, refused) = PublishBatch.measure(publications, frameMax: frameMax)
    let verdicts = Verdicts()
    let batch = PublishBatch(publications, cost: cost, frameMax: frameMax, refused: refused) {
      verdicts.all = $0
    }
    #expect((batch.store?.count ?? 0) <= cost)
    return (batch, verdicts)
  }

  @Test("One whose time is up gives its memory back, and says what was sent and what was not")
  func timedOut() {
    let (batch, verdicts) = batch(["a", "b", "c"].map { publication($0) })
    batch.sent(0..<2)
    batch.settle(0..<1, .confirmed)
    batch.finish("late")
    #expect(verdicts.all == [.confirmed, .unknown("late"), .notSent("late")])
    #expect(batch.store == nil)
    // The broker's answer comes too late to count.
    batch.settle(1..<2, .confirmed)
    #expect(verdicts.all?[1] == .unknown("late"))
  }

  @Test("What is taken back is what was not sent; the rest is waited for")
  func takenBack() {
    let (batch, verdicts) = batch(["a", "b", "c"].map { publication($0) })
    batch.sent(0..<1)
    batch.takeBack("cancelled")
    #expect(verdicts.all == nil && !batch.isToBeSent(1))
    batch.settle(0..<1, .confirmed)
    #expect(verdicts.all == [.confirmed, .notSent("cancelled"), .notSent("cancelled")])
  }

  @Test("What has been taken back is not sent once more")
  func takenBackLater() {
    let (batch, verdicts) = batch(["a", "b", "c"].map { publication($0) })
    batch.sent(0..<3)
    batch.refused(0)
    batch.takeBack("cancelled")
    batch.notTaken(1..<2)
    batch.refused(2)
    #expect(verdicts.all == [.nacked, .notSent("cancelled"), .nacked])
  }

  @Test("A refusal is the verdict when there was no time to try once more")
  func refused() {
    let (batch, verdicts) = batch(["a", "b"].map { publication($0) })
    batch.sent(0..<2)
    batch.refused(0)
    #expect(batch.isToBeSent(0) && !batch.isToBeSent(1))
    batch.sent(0..<1)
    #expect(batch.isRepeated(0) && !batch.isRepeated(1))
    batch.refused(1)
    batch.settle(0..<1, .confirmed)
    batch.finish("late")
    #expect(verdicts.all == [.confirmed, .nacked])
  }

  @Test("A return is the verdict, whatever comes after it")
  func returned() {
    let (batch, verdicts) = batch(["a", "b"].map { publication($0, mandatory: true) })
    batch.sent(0..<2)
    let verdict = PublishVerdict.returned(replyCode: 312, text: "NO_ROUTE")
    batch.returned(1, verdict)
    batch.settle(0..<2, .confirmed)
    #expect(verdicts.all == [.confirmed, verdict])
  }

  @Test("What AMQP cannot carry has its verdict at once, and is left out of what is sent")
  func uncarriable() {
    var wrong = publication("b")
    wrong.routingKey = String(repeating: "x", count: 256)
    var nested = FieldValue.array([])
    for _ in 0..<100 { nested = .array([nested]) }
    let deep = publication("c", properties: MessageProperties(headers: ["deep": nested]))
    let wide = publication(
      "d",
      properties: MessageProperties(headers: ["wide": .bytes(Array(repeating: 0, count: 5_000))]))
    let (batch, verdicts) = batch([publication("a"), wrong, deep, wide, publication("e")])
    #expect(batch.runs.map(\.range) == [0..<1, 4..<5])
    batch.sent(0..<1)
    batch.sent(4..<5)
    batch.settle(0..<5, .confirmed)
    let refused = verdicts.all?[1...3].map { verdict in
      if case .notSent(let why) = verdict { why } else { "\(verdict)" }
    }
    #expect(refused?.count == 3)
    #expect(refused?[0].contains("routing key") == true)
    #expect(refused?[1].contains("100 levels") == true)
    #expect(refused?[2].contains("frame_max") == true)
    #expect(verdicts.all?.first == .confirmed && verdicts.all?.last == .confirmed)
  }

  @Test("Neighbours that go to one exchange are one run")
  func runs() {
    let (batch, _) = batch(["", "", "x", "x", ""].map { publication("b", exchange: $0) })
    #expect(
      batch.runs == [
        .init(exchange: "", range: 0..<2), .init(exchange: "x", range: 2..<4),
        .init(exchange: "", range: 4..<5),
      ])
  }

  @Test("What is encoded can be read back, on any channel, in frames of any size")
  func parts() throws {
    let body = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let properties = MessageProperties(
      headers: ["a": ["b": [1, .void]]], correlationID: "c", expiration: "1")
    let (batch, _) = batch(
      [
        publication("first"),
        Publication(
          Message(body: body, properties: properties), exchange: "x", routingKey: "key",
          mandatory: true),
      ], frameMax: 131_072)
    for frameMax in [131_072, 8_192, 4_096] {
      batch.reframe(to: frameMax)
      batch.address(0..<2, to: 0x1234)
      let store = try #require(batch.store)
      var reader = FrameReader(frameMax: frameMax)
      var position = 0
      var bodySize = 0
      while position < store.count {
        let room = reader.room()
        let part = store[position..<min(position + room.count, store.count)]
        room.copyMemory(from: part)
        reader.filled(part.count)
        position += part.count
        while let frame = try reader.next() {
          #expect(frame.channel == 0x1234)
          if frame.kind == .body { bodySize += frame.payload.count }
        }
      }
      let isRead = reader.isEmpty
      #expect(isRead)
      #expect(bodySize == body.count + 5)
      let parts = try #require(batch.parts(1))
      #expect(parts.isMandatory && parts.bodySize == 10_000)
      #expect(String(decoding: parts.exchange, as: UTF8.self) == "x")
      #expect(String(decoding: parts.routingKey, as: UTF8.self) == "key")
      #expect(parts.body.flatMap { Array($0) } == body)
      #expect(MessageProperties(received: parts.properties) == properties)
      #expect(try #require(batch.parts(0)).isMandatory == false)
    }
  }

  // MARK: Messages that came back

  private func back(
    _ text: String, properties: MessageProperties = MessageProperties(deliveryMode: .persistent)
  ) -> ReturnedMessage {
    ReturnedMessage(
      Message(text: text, properties: properties), exchange: "", routingKey: "key")
  }

  private func sent(_ batches: [PublishBatch]) -> ConfirmTracker<PublishBatch> {
    var tracker = ConfirmTracker<PublishBatch>()
    for batch in batches {
      batch.sent(0..<batch.runs[0].range.upperBound)
      tracker.sent(batch, batch.runs[0].range)
    }
    return tracker
  }

  @Test("What came back is found by its content, even if the broker has changed its properties")
  func found() {
    let (batch, _) = batch(["a", "b", "c"].map { publication($0, mandatory: $0 != "a") })
    let tracker = sent([batch])
    #expect(tracker.find(back("b"))?.1 == 1)
    #expect(tracker.find(back("c", properties: MessageProperties()))?.1 == 2)
    #expect(tracker.find(back("a"))?.1 == 1, "whatever it is, it is one of the mandatory ones")
  }

  @Test("What nobody waits for any more comes back to nobody else")
  func lateReturn() {
    let body = String(repeating: "large", count: 2_000)
    let (late, _) = batch([publication(body, mandatory: true), publication("x", mandatory: true)])
    let (other, verdicts) = batch([publication("other", mandatory: true)])
    let tracker = sent([late, other])
    late.finish("late")
    for _ in 0..<2 {
      let found = tracker.find(back(body))
      #expect(found == nil || found?.0 === late)
      found?.0.returned(found?.1 ?? 0, .returned(replyCode: 312, text: "NO_ROUTE"))
    }
    #expect(tracker.find(back("neither")) == nil, "it may be one that nobody waits for")
    other.settle(0..<1, .confirmed)
    #expect(verdicts.all == [.confirmed])
  }

  @Test("Equal in body and key, the properties tell who came back, late or not")
  func lateTwins() {
    func twin(_ id: String) -> Publication {
      publication("", mandatory: true, properties: MessageProperties(correlationID: id))
    }
    let (late, _) = batch([twin("1")])
    let (other, _) = batch([twin("2")])
    let tracker = sent([late, other])
    late.finish("late")
    let found = tracker.find(back("", properties: MessageProperties(correlationID: "2")))
    #expect(found?.0 === other)
    #expect(tracker.find(back("", properties: MessageProperties(correlationID: "1")))?.0 === late)
  }
}

@Suite("Room for publications", .timeLimit(.minutes(1)))
struct PublishRoomTests {
  @Test("Who comes when there is no room waits in line, and gets in as room is given back")
  func waiting() async {
    let room = PublishRoom(limit: 100)
    #expect(room.take(60))
    #expect(!room.take(60))
    async let second = room.wait(60) { _ in }
    while room.waiting == 0 { await Task.yield() }
    #expect(!room.take(1), "nobody overtakes")
    room.free(60)
    let isIn = await second
    #expect(isIn)
    #expect(room.used == 60)
  }

  @Test("Whose time is up leaves the line, and holds nobody up behind it")
  func givingUp() async {
    let room = PublishRoom(limit: 100)
    #expect(room.take(60))
    async let large = room.wait(90) { giveUp in Task { giveUp() } }
    let isIn = await large
    #expect(!isIn)
    #expect(room.take(40))
    #expect(room.used == 100)
  }

  @Test("What is larger than all the room gets in when it is empty")
  func large() async {
    let room = PublishRoom(limit: 100)
    #expect(room.take(1))
    #expect(!room.take(500))
    room.free(1)
    #expect(room.take(500))
  }

  @Test("After the end nobody waits")
  func closed() async {
    let room = PublishRoom(limit: 100)
    #expect(room.take(100))
    async let waiting = room.wait(50) { _ in }
    while room.waiting == 0 { await Task.yield() }
    room.close()
    let isIn = await waiting
    #expect(isIn)
    #expect(room.take(1_000))
  }
}
