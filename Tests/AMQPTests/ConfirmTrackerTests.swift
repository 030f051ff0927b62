import Testing

@testable import AMQP

@Suite("Matching confirms to publications")
final class ConfirmTrackerTests {
  private var tracker = ConfirmTracker<Int>()

  private static func publication(_ body: String, key: String = "k") -> Publication {
    Publication(Message(text: body), exchange: "e", routingKey: key, mandatory: true)
  }

  private func send(_ count: Int) {
    for number in 1...count { tracker.sent(number, Self.publication("\(number)")) }
  }

  private func answer(
    _ tag: UInt64, multiple: Bool = false, ack: Bool = true
  ) throws -> [Int: PublishVerdict] {
    var verdicts: [Int: PublishVerdict] = [:]
    try tracker.answered(tag: tag, multiple: multiple, ack: ack) { verdicts[$0] = $1 }
    return verdicts
  }

  private func giveBack(_ message: Message, key: String, text: String) -> Bool {
    tracker.returned(message, exchange: "e", routingKey: key, code: 312, text: text)
  }

  @Test("One number answers one publication")
  func single() throws {
    send(3)
    #expect(try answer(2) == [2: .confirmed])
    #expect(try answer(1, ack: false) == [1: .nacked])
    #expect(tracker.count == 1)
    #expect(try answer(3) == [3: .confirmed])
    #expect(tracker.count == 0)
  }

  @Test("With `multiple`, a number answers all up to it that are open")
  func multiple() throws {
    send(5)
    #expect(try answer(2) == [2: .confirmed])
    #expect(try answer(4, multiple: true) == [1: .confirmed, 3: .confirmed, 4: .confirmed])
    #expect(try answer(5, multiple: true, ack: false) == [5: .nacked])
  }

  @Test("Number 0 with `multiple` answers all")
  func all() throws {
    #expect(try answer(0, multiple: true) == [:])
    send(2)
    #expect(try answer(0, multiple: true) == [1: .confirmed, 2: .confirmed])
  }

  @Test("An answer that was given already is ignored, one to nothing is a violation")
  func wrong() throws {
    send(2)
    #expect(try answer(1) == [1: .confirmed])
    #expect(try answer(1) == [:])
    #expect(throws: AMQPError.self) { try answer(3) }
    #expect(throws: AMQPError.self) { try answer(.max, multiple: true) }
    #expect(tracker.count == 1)
  }

  @Test("A returned message is not confirmed, whatever else is in flight")
  func returned() throws {
    for (number, body) in ["a", "b", "c"].enumerated() {
      tracker.sent(number, Self.publication(body))
    }
    let known = giveBack(Message(text: "b"), key: "k", text: "NO_ROUTE")
    #expect(known)
    #expect(
      try answer(3, multiple: true) == [
        0: .confirmed, 1: .returned(replyCode: 312, text: "NO_ROUTE"), 2: .confirmed,
      ])
  }

  @Test("Of equal messages, as many are returned as came back")
  func twins() throws {
    for number in 1...3 { tracker.sent(number, Self.publication("same")) }
    for _ in 1...2 {
      #expect(
        giveBack(Message(text: "same"), key: "k", text: ""))
    }
    let verdicts = try answer(3, multiple: true)
    #expect(verdicts.values.count { $0 == .confirmed } == 1)
  }

  @Test("A return is matched by its key even if the broker has changed the message")
  func changed() throws {
    tracker.sent(1, Self.publication("a", key: "x"))
    tracker.sent(2, Self.publication("b", key: "y"))
    let other = Message(text: "b", properties: MessageProperties(headers: ["added": true]))
    #expect(giveBack(other, key: "y", text: ""))
    #expect(try answer(2) == [2: .returned(replyCode: 312, text: "")])
    #expect(try answer(1) == [1: .confirmed])
  }

  @Test("A return of something that was not sent, or was not mandatory, fits nothing")
  func stranger() throws {
    var optional = Self.publication("a")
    optional.mandatory = false
    tracker.sent(1, optional)
    #expect(
      !giveBack(Message(text: "a"), key: "k", text: ""))
  }

  @Test("A lost channel makes the rest unknown, but a return that came is known")
  func lost() throws {
    send(3)
    _ = try answer(1)
    _ = giveBack(Message(text: "3"), key: "k", text: "no")
    var verdicts: [Int: PublishVerdict] = [:]
    tracker.lost("gone") { verdicts[$0] = $1 }
    #expect(verdicts == [2: .unknown("gone"), 3: .returned(replyCode: 312, text: "no")])
    #expect(tracker.count == 0)
    tracker.sent(9, Self.publication("9"))
    #expect(try answer(1) == [9: .confirmed], "the new channel counts from 1")
  }

  @Test("Thousands in and out of order all get exactly one verdict")
  func many() throws {
    var seen: [Int: Int] = [:]
    var sent = 0
    for round in 0..<100 {
      for _ in 0..<100 {
        sent += 1
        tracker.sent(sent, Self.publication("x"))
      }
      // Of each round, one in three by itself from the back, then all.
      let first = UInt64(round * 100 + 1)
      for tag in stride(from: first + 99, through: first, by: -3) {
        try tracker.answered(tag: tag, multiple: false, ack: true) { number, _ in
          seen[number, default: 0] += 1
        }
      }
      if round % 7 == 0 {
        try tracker.answered(tag: first + 99, multiple: true, ack: true) { number, _ in
          seen[number, default: 0] += 1
        }
      }
    }
    try tracker.answered(tag: UInt64(sent), multiple: true, ack: true) { number, _ in
      seen[number, default: 0] += 1
    }
    #expect(seen.count == sent)
    #expect(seen.values.allSatisfy { $0 == 1 })
    #expect(tracker.count == 0)
  }
}
