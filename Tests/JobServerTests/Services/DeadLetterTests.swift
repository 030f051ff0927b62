import AMQP
import Foundation
import JobStore
import JobTransport
import Jobs
import Testing

@testable import JobServer

@Suite("Dead letters, as the server keeps and redrives them,", .timeLimit(.minutes(2)))
struct DeadLetterTests {
  private func submit(
    _ fixture: ServerFixture, _ access: BrokerAccess = BrokerAccess()
  ) -> SubmitConsumer<MemoryBroker> {
    SubmitConsumer(
      intake: fixture.intake, service: fixture.service, initializer: fixture.initializer,
      broker: fixture.broker,
      deadLetters: fixture.deadLetters(by: access.users == nil ? nil : "warren"),
      names: fixture.names,
      access: access, redriven: fixture.redriven(access), maxBodyBytes: 1 << 20,
      clock: fixture.clock, log: fixture.log)
  }

  /// What was published to an exchange, and has not been passed on.
  private func published(
    _ fixture: ServerFixture, to exchange: String, after count: Int = 0
  ) -> [Message] {
    Array(
      fixture.broker.state.value.confirmed.filter { $0.exchange == exchange }.map(\.message)
        .dropFirst(count))
  }

  /// Lets messages go to the intake, and what it refuses to the store.
  ///
  /// - Returns: how many were refused.
  @discardableResult
  private func deliver(
    _ messages: [Message], _ fixture: ServerFixture, refused expected: Int
  ) async throws -> [Message] {
    let before = published(fixture, to: "jobs.dead").count
    let intake = try await fixture.broker.consumer(of: "jobs.submit")
    let taken = intake.state.value.acknowledged.count
    intake.deliver(messages)
    try await intake.untilAcknowledged(taken + messages.count)
    let dead = published(fixture, to: "jobs.dead", after: before)
    #expect(dead.count == expected)
    try await keep(dead, fixture)
    return dead
  }

  private func keep(_ letters: [Message], _ fixture: ServerFixture) async throws {
    guard !letters.isEmpty else { return }
    let consumer = try await fixture.broker.consumer(of: "jobs.dead")
    let taken = consumer.state.value.acknowledged.count
    consumer.deliver(letters)
    try await consumer.untilAcknowledged(taken + letters.count)
  }

  private func letters(
    _ fixture: ServerFixture, tenant: UUID = .zero
  ) async throws -> [DeadLetterRecord] {
    try await fixture.store.deadLetters(
      DeadLetterQuery(tenant: tenant, newestFirst: false, limit: 100)
    ).letters
  }

  private func job(_ change: (inout Message) -> Void = { _ in }) -> Message {
    var message = Message(text: "{}")
    message.properties.type = "test:job"
    change(&message)
    return message
  }

  private func count(_ fixture: ServerFixture, tenant: UUID = .zero) async throws -> Int {
    try await fixture.store.list(JobQuery(tenant: tenant)).total
  }

  @Test(
    "each is redriven once its cause is mended, and becomes one job, however often that is asked for"
  )
  func everyKind() async throws {
    let fixture = try await ServerFixture()
    let (known, gone) = (JobID(), JobID())
    let operations = fixture.letters()
    try await fixture.run([submit(fixture), fixture.letterConsumer()]) {
      // What is in the way of some.
      try await deliver([job { $0.properties.messageID = known.description }], fixture, refused: 0)
      try await deliver([job { $0.properties.messageID = gone.description }], fixture, refused: 0)
      _ = try await fixture.store.delete(gone, tenant: nil, at: fixture.clock.now)
      let bad: [(reason: String, message: Message, edit: String?)] = [
        ("unknown-type", job { $0.properties.type = "new:type" }, nil),
        ("invalid-params", job { $0.body = Array(#"{"n": "x"}"#.utf8) }, #"{"params": {"n": 1}}"#),
        ("bad-body", job { $0.body = Array("{".utf8) }, #"{"body": "{}"}"#),
        (
          "bad-property", job { $0.properties.messageID = "17" },
          #"{"properties": {"message_id": null}}"#
        ),
        (
          "bad-property", job { $0.properties.replyTo = "jobs.submit" },
          #"{"properties": {"reply_to": "mine"}}"#
        ),
        (
          "bad-header", job { $0.properties.headers = ["timeout-sec": .string("soon")] },
          #"{"headers": {"timeout-sec": 5}}"#
        ),
        (
          "body-too-large", job { $0.body = Array(repeating: 0x20, count: 1 << 21) },
          #"{"params": {}}"#
        ),
        (
          "conflict",
          job {
            $0.properties.messageID = known.description
            $0.body = Array(#"{"n": 5}"#.utf8)
          }, #"{"properties": {"message_id": null}}"#
        ),
        (
          "deleted", job { $0.properties.messageID = gone.description },
          #"{"properties": {"message_id": null}}"#
        ),
      ]
      try await deliver(bad.map(\.message), fixture, refused: bad.count)
      let kept = try await letters(fixture)
      #expect(kept.map(\.reason).sorted() == bad.map(\.reason).sorted())
      #expect(kept.allSatisfy { $0.state == .waiting && $0.foundIn == "jobs.submit" })
      let ids = kept.map(\.id)
      // Nothing is mended: nothing is published.
      for isDryRun in [true, false] {
        let results = try await operations.redrive(ids, tenant: .zero, isDryRun: isDryRun)
        #expect(results.map(\.outcome) == ids.map { _ in .refused })
        #expect(results.map(\.reason) == kept.map(\.reason))
      }
      #expect(published(fixture, to: "jobs.submit").isEmpty)
      // It is mended.
      try await fixture.catalog.add(
        queues: [], groups: [try JobGroup("new", queue: .compute)],
        types: [
          try JobType(
            group: JobGroup("new", queue: .compute), name: "type", params: NoParams()
          ) { _, _ in }.description
        ])
      for letter in kept {
        let stored = try await operations.letter(letter.id, tenant: .zero)
        let original = LetterCoding.message(stored.original)
        let cause = try #require(
          bad.first {
            $0.reason == letter.reason && $0.message.body == original.body
              && $0.message.properties.messageID == original.properties.messageID
              && $0.message.properties.replyTo == original.properties.replyTo
          })
        #expect(original.properties.headers == cause.message.properties.headers)
        guard let edit = cause.edit else { continue }
        let content = try DeadLetterEdit(parsing: edit.utf8).applied(
          to: stored.current, tenant: .zero)
        let after = try await operations.edit(letter.id, tenant: .zero, to: content, by: .zero)
        #expect(after.original == stored.original)
      }
      let trial = try await operations.redrive(ids, tenant: .zero, isDryRun: true)
      #expect(trial.map(\.outcome) == ids.map { _ in .acceptable }, "\(trial)")
      #expect(published(fixture, to: "jobs.submit").isEmpty)
      // Twice, as after a crash between the confirm and the note, or by two people at once.
      for _ in 0..<2 {
        let results = try await operations.redrive(ids, tenant: .zero, isDryRun: false)
        #expect(results.map(\.outcome) == ids.map { _ in .sent })
      }
      #expect(try await letters(fixture).allSatisfy { $0.state == .redriven })
      let redriven = published(fixture, to: "jobs.submit")
      #expect(redriven.count == 2 * ids.count)
      let before = try await count(fixture)
      // And once more, as the broker may deliver it.
      try await deliver(redriven + redriven, fixture, refused: 0)
      #expect(try await count(fixture) == before + ids.count)
      let accepted = try await letters(fixture)
      #expect(accepted.allSatisfy { $0.state == .accepted && $0.job != nil })
      #expect(Set(accepted.compactMap(\.job)).count == ids.count)
      let late = try await operations.redrive(ids, tenant: .zero, isDryRun: false)
      #expect(late.map(\.outcome) == ids.map { _ in .held })
      #expect(published(fixture, to: "jobs.submit").count == 2 * ids.count)
    }
  }

  @Test("one that is refused again waits again, as the same letter")
  func refusedAgain() async throws {
    let fixture = try await ServerFixture()
    let operations = fixture.letters()
    let id = JobID()
    try await fixture.run([submit(fixture), fixture.letterConsumer()]) {
      try await deliver(
        [
          job {
            $0.properties.type = "new:type"
            $0.properties.messageID = id.description
          }
        ], fixture, refused: 1)
      let letter = try #require(try await letters(fixture).first)
      try await fixture.catalog.add(
        queues: [], groups: [try JobGroup("new", queue: .compute)],
        types: [
          try JobType(
            group: JobGroup("new", queue: .compute), name: "type", params: NoParams()
          ) { _, _ in }.description
        ])
      _ = try await operations.redrive([letter.id], tenant: .zero, isDryRun: false)
      let redriven = published(fixture, to: "jobs.submit")
      // Somebody takes the id meanwhile.
      try await deliver(
        [job { $0.properties.messageID = id.description }], fixture, refused: 0)
      let dead = try await deliver(redriven, fixture, refused: 1)
      let after = try #require(try await letters(fixture).first)
      #expect(try await letters(fixture).count == 1)
      #expect(after.id == letter.id)
      #expect(after.state == .waiting)
      #expect(after.reason == "conflict")
      #expect(after.redrives == 1)
      // The same letter delivered once more is none.
      try await keep(dead, fixture)
      #expect(try await letters(fixture).count == 1)
    }
  }

  @Test(
    "a letter that is published or delivered twice is one; a message that became two is one job")
  func repeated() async throws {
    let fixture = try await ServerFixture()
    let operations = fixture.letters()
    try await fixture.run([submit(fixture), fixture.letterConsumer()]) {
      let message = job { $0.properties.type = "new:type" }
      let letter = DeadLetter.message(
        message, reason: "unknown-type", explanation: "why", foundIn: "jobs.submit")
      try await keep([letter, letter], fixture)
      #expect(try await letters(fixture).count == 1)
      // The intake dies between the letter and the acknowledgement, and the same delivery is refused again.
      let again = DeadLetter.message(
        message, reason: "unknown-type", explanation: "why", foundIn: "jobs.submit",
        isRepeated: true)
      // Another that says the same, as one of tomorrow does.
      let other = DeadLetter.message(
        message, reason: "unknown-type", explanation: "why", foundIn: "jobs.submit")
      try await keep([again, other], fixture)
      #expect(try await letters(fixture).count == 3)
      try await fixture.catalog.add(
        queues: [], groups: [try JobGroup("new", queue: .compute)],
        types: [
          try JobType(
            group: JobGroup("new", queue: .compute), name: "type", params: NoParams()
          ) { _, _ in }.description
        ])
      _ = try await operations.redrive(
        DeadLetterOperations.Selection(
          choice: .filter(DeadLetterFilter(), after: nil), isDryRun: false, limit: 100),
        tenant: .zero)
      try await deliver(published(fixture, to: "jobs.submit"), fixture, refused: 0)
      #expect(try await count(fixture) == 2)
      #expect(try await letters(fixture).allSatisfy { $0.state == .accepted })
    }
  }

  @Test(
    "one that the broker threw out says of where and why, and nothing that it claims itself counts")
  func brokersOwn() async throws {
    let fixture = try await ServerFixture()
    let access = BrokerAccess(users: ["shop": .init(), "admin": .init(tenants: .any)])
    try await fixture.run([fixture.letterConsumer(access)]) {
      let foreign = UUID()
      let letter = job {
        $0.properties.userID = "shop"
        $0.properties.headers = [
          "x-death": .array([
            .table([
              "queue": .string("jobs.submit"), "reason": .string("expired"), "count": .int64(1),
              "exchange": .string("jobs.submit"), "routing-keys": .array([.string("k")]),
            ])
          ]), "x-first-death-reason": .string("expired"),
          DeadLetter.reason: .string("forged"), DeadLetter.user: .string("admin"),
          DeadLetter.letter: .string(UUID().uuidString), "tenant-id": .string(foreign.uuidString),
        ]
      }
      try await keep([letter], fixture)
      let kept = try #require(try await letters(fixture).first)
      #expect(kept.reason == "expired")
      #expect(kept.user == "shop")
      #expect((kept.exchange, kept.routingKey, kept.foundIn) == ("jobs.submit", "k", "jobs.submit"))
      #expect(kept.deaths.map(\.queue) == ["jobs.submit"])
      #expect(kept.queue == "compute")
      // Not those whom it says that it speaks for.
      #expect(try await letters(fixture, tenant: foreign).isEmpty)
      let stored = try #require(try await fixture.store.deadLetter(kept.id, tenant: nil))
      #expect(
        LetterCoding.message(stored.original).properties.headers
          == ["tenant-id": .string(foreign.uuidString)])
    }
  }

  @Test(
    "one that was forbidden is judged by who sent it first, once that is mended; no other believes it"
  )
  func forbidden() async throws {
    let fixture = try await ServerFixture()
    let tenant = UUID()
    let before = BrokerAccess(users: ["shop": .init(), "warren": .init()])
    let mended = BrokerAccess(users: ["shop": .init(tenants: .only([tenant])), "warren": .init()])
    try await fixture.run([submit(fixture, before), fixture.letterConsumer(before)]) {
      try await deliver([job { $0.properties.userID = "shop" }], fixture, refused: 1)
      let letter = try #require(try await letters(fixture).first)
      #expect(letter.reason == "forbidden")
      #expect(letter.user == "shop")
      // Another who publishes a letter speaks for himself.
      var forged = DeadLetter.message(
        job { $0.properties.userID = "shop" }, reason: "forbidden", explanation: "",
        foundIn: "jobs.submit")
      forged.properties.userID = "stranger"
      try await keep([forged], fixture)
      let other = try #require(try await letters(fixture).last)
      #expect(other.user == "stranger")
      _ = try await fixture.letters(before).drop(other.id, tenant: .zero)
      let early = try await fixture.letters(before).redrive(
        [letter.id], tenant: .zero, isDryRun: false)
      #expect(early.map(\.reason) == ["forbidden"])
      let late = try await fixture.letters(mended).redrive(
        [letter.id], tenant: .zero, isDryRun: false)
      #expect(late.map(\.outcome) == [.sent])
    }
    let redriven = try #require(published(fixture, to: "jobs.submit").last)
    #expect(redriven.properties.userID == "warren")
    fixture.broker.state.update { $0.consumers = [:] }
    try await fixture.run([submit(fixture, mended), fixture.letterConsumer(mended)]) {
      // By anybody else it is his own message, and says nothing of a letter.
      var forged = redriven
      forged.properties.userID = "stranger"
      try await deliver([forged], fixture, refused: 1)
      #expect(try await count(fixture, tenant: tenant) == 0)
      #expect(try await letters(fixture).map(\.state) == [.redriven, .waiting])
      try await deliver([redriven], fixture, refused: 0)
      #expect(try await count(fixture, tenant: tenant) == 1)
      #expect(try await letters(fixture).map(\.state) == [.accepted, .waiting])
    }
  }

  @Test("a cancellation, a report and a ticket are told apart; a ticket is not redriven")
  func others() async throws {
    let fixture = try await ServerFixture()
    let operations = fixture.letters()
    let id = JobID()
    let cancel = CancelMessage.message(JobCancellation(job: id))
    let mark = try WireCoding.message(WorkerMessage.mark(UUID()))
    let ticket = {
      var ticket = WireCoding.ticket()
      ticket.properties.headers["x-death"] = .array([])
      return ticket
    }()
    try await fixture.run([submit(fixture), fixture.letterConsumer()]) {
      try await deliver([cancel], fixture, refused: 1)
      let report = DeadLetter.message(
        mark, reason: "forbidden", explanation: "why", foundIn: "jobs.reports")
      let broken = DeadLetter.message(
        Message(text: "?"), reason: "bad-report", explanation: "why", foundIn: "jobs.reports")
      try await keep([report, broken, ticket, Message(text: "by hand")], fixture)
      let kept = try await letters(fixture)
      #expect(kept.map(\.kind) == [.cancel, .report, .report, .own, .job])
      #expect(
        kept.map(\.reason) == ["unknown-job", "forbidden", "bad-report", "unknown", "unknown"])
      let early = try await operations.redrive(kept.map(\.id), tenant: .zero, isDryRun: true)
      #expect(early.map(\.outcome) == [.refused, .acceptable, .refused, .refused, .refused])
      #expect(
        early.map(\.reason) == ["unknown-job", nil, "bad-report", "own-message", "bad-property"])
      // Its job comes at last.
      try await deliver(
        [job { $0.properties.messageID = id.description }], fixture, refused: 0)
      let late = try await operations.redrive(
        [kept[0].id, kept[1].id], tenant: .zero, isDryRun: false)
      #expect(late.map(\.outcome) == [.sent, .sent])
      #expect(fixture.broker.state.value.confirmed(to: "jobs.reports").count == 1)
      try await deliver(published(fixture, to: "jobs.submit"), fixture, refused: 0)
      #expect(try await fixture.store.job(id)?.status == .canceled)
      #expect(try await letters(fixture).first?.state == .accepted)
    }
  }

  @Test(
    "nothing is acknowledged before it is stored, and one that the store never takes holds up no other"
  )
  func stored() async throws {
    let fixture = try await ServerFixture()
    try await fixture.execute(
      """
      CREATE TRIGGER picky BEFORE INSERT ON dead_letter WHEN new.body = CAST('bad' AS BLOB)
      BEGIN SELECT raise(ABORT, 'not this one'); END
      """)
    try await fixture.breakStore("INSERT ON dead_letter")
    try await fixture.run([fixture.letterConsumer()]) {
      let consumer = try await fixture.broker.consumer(of: "jobs.dead")
      consumer.deliver(["one", "bad", "two"].map { Message(text: $0) })
      for _ in 0..<2 { try await fixture.clock.advance(by: .seconds(30), whenSleeping: 1) }
      #expect(consumer.state.value.acknowledged.isEmpty)
      try await fixture.mendStore()
      try await fixture.clock.passing(by: .seconds(30)) {
        try await consumer.untilAcknowledged(2)
      }
      #expect(consumer.state.value.acknowledged == [1, 3])
      #expect(consumer.state.value.returned.isEmpty)
      #expect(try await letters(fixture).count == 2)
      #expect(fixture.log.counters.deadLetters == 2)
    }
  }

  @Test("what the broker does not confirm is not noted as redriven")
  func unconfirmed() async throws {
    let fixture = try await ServerFixture()
    let operations = fixture.letters()
    try await fixture.run([fixture.letterConsumer()]) {
      try await keep(
        [
          DeadLetter.message(
            job(), reason: "unknown-type", explanation: "why", foundIn: "jobs.submit"),
          DeadLetter.message(
            job(), reason: "unknown-type", explanation: "why", foundIn: "jobs.submit"),
        ], fixture)
      let ids = try await letters(fixture).map(\.id)
      let refused = Watched(0)
      fixture.broker.set { _ in
        refused.update {
          $0 += 1
          return $0 == 1 ? .nacked : .confirmed
        }
      }
      let results = try await operations.redrive(ids, tenant: .zero, isDryRun: false)
      #expect(results.map(\.outcome) == [.failed, .sent])
      #expect(try await letters(fixture).map(\.state) == [.waiting, .redriven])
    }
  }
}
