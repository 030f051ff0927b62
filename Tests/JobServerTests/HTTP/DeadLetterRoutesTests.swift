import AMQP
import Foundation
import HTTPTypes
import HummingbirdTesting
import JobStore
import JobTransport
import Jobs
import Testing

@testable import JobServer

extension APIFixture {
  /// Puts a letter into the store, as it comes from the intake.
  @discardableResult
  func keepLetter(
    _ body: String = #"{"path": 17}"#, type: String = "files:checksum",
    reason: String = "invalid-params", errors: [ParamsViolation] = [], tenant: UUID? = nil,
    headers: FieldTable = [:], foundIn queue: String = "test.submit"
  ) async throws -> UUID {
    var message = Message(text: body)
    message.properties.type = type
    message.properties.headers = headers
    if let tenant { message.properties.headers["tenant-id"] = .string(tenant.uuidString) }
    let letter = DeadLetter.message(
      message, reason: reason, explanation: "why", errors: errors, foundIn: queue)
    let reader = DeadLetterReader(
      catalog: service.catalog, names: service.intake.names, access: BrokerAccess(),
      redriven: RedrivenMessages(store: store, access: BrokerAccess(), ownUser: "w"))
    let arrival = reader.arrival(
      Delivery(
        message: letter, exchange: "", routingKey: "", redelivered: false,
        tag: DeliveryTag(generation: 1, value: 1)), at: .now)
    _ = try await store.keep([arrival], at: .now)
    return arrival.letter.record.id
  }
}

@Suite("Dead letters over HTTP", .timeLimit(.minutes(2)))
struct DeadLetterRoutesTests {
  @discardableResult
  private func keep(
    _ fixture: APIFixture, _ body: String = #"{"path": 17}"#, type: String = "files:checksum",
    reason: String = "invalid-params", errors: [ParamsViolation] = [], tenant: UUID? = nil,
    headers: FieldTable = [:]
  ) async throws -> UUID {
    try await fixture.keepLetter(
      body, type: type, reason: reason, errors: errors, tenant: tenant, headers: headers)
  }

  private let violation = ParamsViolation(pointer: "/path", keyword: "type", detail: "wrong")

  @Test("are listed, counted and shown, to their own tenant alone")
  func reading() async throws {
    try await APIFixture.with { fixture in
      let tenant = UUID()
      let first = try await keep(fixture, errors: [violation])
      let second = try await keep(
        fixture, "\u{1}", type: "no:such", reason: "unknown-type", headers: ["n": .int8(3)])
      let foreign = try await keep(fixture, tenant: tenant)
      try await fixture.test { client in
        let list: DeadLetterList = try await client.read(.get, "/dead_letters")
        #expect(list.deadLetters.map(\.id) == [second, first])
        #expect((list.total, list.pageNumber, list.next) == (2, 1, nil))
        #expect(list.deadLetters[1].queue == "compute")
        let part: DeadLetterList = try await client.read(.get, "/dead_letters?page_size=1")
        let next = try #require(part.next)
        let rest: DeadLetterList = try await client.read(
          .get, "/dead_letters?page_size=1&after=\(next)")
        #expect(rest.deadLetters.map(\.id) == [first])
        #expect(rest.next == nil)
        for (query, ids) in [
          ("reason=unknown-type", [second]), ("type=files:checksum", [first]),
          ("queue=compute", [first]), ("pointer=/path", [first]), ("state=accepted", []),
          ("since=0", [second, first]), ("until=1", []), ("page=2&page_size=1", [first]),
        ] {
          let found: DeadLetterList = try await client.read(.get, "/dead_letters?\(query)")
          #expect(found.deadLetters.map(\.id) == ids, "\(query)")
        }
        let groups: DeadLetterGroupList = try await client.read(.get, "/dead_letters/groups")
        #expect(groups.groups.map(\.reason).sorted() == ["invalid-params", "unknown-type"])
        #expect(groups.groups.compactMap(\.pointer) == ["/path"])
        let detail: DeadLetterDetail = try await client.read(
          .get, "/dead_letters/\(second.uuidString.lowercased())")
        #expect(detail.letter == list.deadLetters[0])
        #expect(detail.message.headers == ["n": 3])
        #expect(detail.message.properties == ["type": "no:such"])
        #expect(detail.message.bodyBase64 == "AQ==")
        #expect(detail.edited == nil)
        #expect(try await client.problem(.get, "/dead_letters/\(foreign)").status == 404)
        let own: DeadLetterList = try await client.read(.get, "/dead_letters", tenant: tenant)
        #expect(own.deadLetters.map(\.id) == [foreign])
        for wrong in ["state=x", "since=x", "after=x", "after=1&page=1", "reasn=x"] {
          #expect(
            try await client.problem(.get, "/dead_letters?\(wrong)").type
              == "/problems/invalid-parameter", "\(wrong)")
        }
        #expect(try await client.problem(.get, "/dead_letters/x").status == 400)
      }
    }
  }

  @Test("one is edited, tried and redriven; the original stays")
  func redriving() async throws {
    try await APIFixture.with { fixture in
      let id = try await keep(fixture, errors: [violation])
      try await fixture.test { client in
        let path = "/dead_letters/\(id.uuidString.lowercased())"
        let refusal: DeadLetterResult = try await client.read(.post, "\(path)/redrive?dry_run=true")
        #expect(refusal.outcome == .refused)
        #expect(refusal.reason == "invalid-params")
        #expect(refusal.errors?.map(\.pointer) == ["/path"])
        let problem = try await client.problem(.post, "\(path)/redrive")
        #expect(problem.type == "/problems/dead-letter-refused")
        #expect(problem.status == 409)
        #expect(problem.errors?.map(\.pointer) == ["/path"])
        let edited: DeadLetterDetail = try await client.read(
          .patch, path,
          body: #"{"params": {"path": "a"}, "headers": {"idempotency-key": "k", "x": null}}"#)
        #expect(edited.message.body == ["path": 17])
        #expect(edited.edited?.body == ["path": "a"])
        #expect(edited.edited?.headers == ["idempotency-key": "k"])
        #expect(edited.letter.editedBy == .zero)
        let trial: DeadLetterResult = try await client.read(.post, "\(path)/redrive?dry_run=true")
        #expect(trial.outcome == .acceptable)
        #expect(fixture.broker.state.value.offered.isEmpty)
        let sent: DeadLetterResult = try await client.read(
          .post, "\(path)/redrive", status: .accepted)
        #expect(sent.outcome == .sent)
        let published = try #require(fixture.broker.state.value.confirmed.first)
        #expect(published.exchange == "test.submit")
        #expect(published.mandatory)
        #expect(published.message.body == Array(#"{"path":"a"}"#.utf8))
        let after: DeadLetterDetail = try await client.read(.get, path)
        #expect(after.letter.state == .redriven)
        #expect(after.letter.redrives == 1)
        let changes: [(HTTPRequest.Method, String?)] = [
          (.patch, #"{"reset": true}"#), (.delete, nil),
        ]
        for (method, body) in changes {
          #expect(
            try await client.problem(method, path, body: body).type
              == "/problems/dead-letter-refused")
        }
        fixture.broker.set { _ in .nacked }
        let failure = try await client.send(.post, "\(path)/redrive")
        #expect(failure.status == .serviceUnavailable)
        #expect(failure.headers[.retryAfter] != nil)
      }
    }
  }

  @Test("an edit is undone, and says what is wrong with it")
  func edits() async throws {
    try await APIFixture.with { fixture in
      let id = try await keep(fixture)
      let path = "/dead_letters/\(id.uuidString.lowercased())"
      try await fixture.test { client in
        _ = try await client.read(
          .patch, path, as: DeadLetterDetail.self, body: #"{"body_base64": "AQ=="}"#)
        let more: DeadLetterDetail = try await client.read(
          .patch, path, body: #"{"properties": {"type": "files:count", "priority": 3}}"#)
        #expect(more.edited?.bodyBase64 == "AQ==")
        #expect(more.edited?.properties == ["type": "files:count", "priority": 3])
        let reset: DeadLetterDetail = try await client.read(
          .patch, path, body: #"{"reset": true}"#)
        #expect(reset.edited == nil)
        #expect(reset.letter.editedAt == nil)
        for (body, what) in [
          ("{}", "nothing is to be different"), (#"{"params": [1]}"#, "an object"),
          (#"{"params": {}, "body": "x"}"#, "exclude each other"),
          (#"{"body_base64": "?"}"#, "must be base64"),
          (#"{"properties": {"user_id": "x"}}"#, "there is no property 'user_id'"),
          (#"{"properties": {"priority": 300}}"#, "from 0 to 255"),
          (#"{"properties": {"type": 1}}"#, "must be a string"),
          (#"{"headers": {"x-warren-user": "x"}}"#, "Warren's or the broker's"),
          (#"{"headers": {"x-death": "x"}}"#, "Warren's or the broker's"),
          (#"{"headers": {"tenant-id": "\#(UUID())"}}"#, "must be the letter's own tenant"),
          (#"{"reset": true, "body": "x"}"#, "stands alone"), (#"{"boddy": "x"}"#, "no member"),
        ] {
          let problem = try await client.problem(.patch, path, body: body)
          #expect(problem.type == "/problems/invalid-body")
          #expect(problem.detail.contains(what), "\(body): \(problem.detail)")
        }
        let large = String(repeating: "x", count: 70_000)
        #expect(
          try await client.problem(.patch, path, body: #"{"headers": {"h": "\#(large)"}}"#).detail
            .contains("64 KiB"))
      }
    }
  }

  @Test("many are redriven and dropped, each with a result of its own, by ids or a filter")
  func many() async throws {
    try await APIFixture.with { fixture in
      let good = try await keep(fixture, #"{"path": "a"}"#)
      let bad = try await keep(fixture)
      let other = try await keep(fixture, #"{"path": "b"}"#, reason: "expired")
      let foreign = try await keep(fixture, tenant: UUID())
      try await fixture.test { client in
        func ask(_ action: String, _ body: String) async throws -> DeadLetterResults {
          try await client.read(.post, "/dead_letters/\(action)", body: body)
        }
        let trial = try await ask("redrive", #"{"filter": {}, "dry_run": true}"#)
        #expect((trial.matching, trial.dryRun, trial.next) == (3, true, nil))
        #expect(trial.results.map(\.id) == [good, bad, other])
        #expect(trial.results.map(\.outcome) == [.acceptable, .refused, .acceptable])
        let first = try await ask(
          "redrive", #"{"filter": {"reason": "invalid-params"}, "limit": 1}"#)
        #expect(first.results.map(\.outcome) == [.sent])
        #expect(first.matching == 2)
        let rest = try await ask(
          "redrive",
          #"{"filter": {"reason": "invalid-params"}, "limit": 1, "after": "\#(first.next ?? "")"}"#)
        #expect(rest.results.map(\.outcome) == [.refused])
        #expect(rest.next == nil)
        let named = try await ask(
          "redrive",
          #"{"ids": ["\#(other)", "\#(foreign)", "\#(bad)", "\#(other)"], "dry_run": true}"#)
        #expect(named.results.map(\.id) == [other, foreign, bad])
        #expect(named.results.map(\.outcome) == [.acceptable, .unknown, .refused])
        let would = try await ask("drop", #"{"filter": {"reason": "expired"}, "dry_run": true}"#)
        #expect(would.results.map(\.outcome) == [.droppable])
        let dropped = try await ask("drop", #"{"ids": ["\#(other)", "\#(good)", "\#(foreign)"]}"#)
        #expect(dropped.results.map(\.outcome) == [.dropped, .held, .unknown])
        let left: DeadLetterList = try await client.read(.get, "/dead_letters")
        #expect(left.deadLetters.map(\.id) == [bad, good])
        let record: DeadLetterRecord = try await client.read(
          .delete, "/dead_letters/\(bad.uuidString.lowercased())")
        #expect(record.id == bad)
        #expect(
          try await client.problem(.delete, "/dead_letters/\(bad)").type == "/problems/not-found")
        for (action, body, what) in [
          ("redrive", "{}", "which letters?"), ("drop", #"{"filter": {}}"#, "exclude something"),
          ("redrive", #"{"ids": [], "dry_run": true}"#, "1 to 1000 UUIDs"),
          ("redrive", #"{"ids": ["\#(bad)"], "filter": {}}"#, "exclude each other"),
          ("redrive", #"{"filter": {}, "limit": 1001}"#, "from 1 to 1000"),
          ("redrive", #"{"filter": {}, "after": "x"}"#, "next of an earlier answer"),
          ("redrive", #"{"filter": {"state": "x"}}"#, "one of waiting"),
        ] {
          let problem = try await client.problem(.post, "/dead_letters/\(action)", body: body)
          #expect(problem.detail.contains(what), "\(body): \(problem.detail)")
        }
      }
    }
  }

  @Test("of Warren's own messages only whoever sees everything sees more than that they are there")
  func own() async throws {
    try await APIFixture.with { fixture in
      let id = try await fixture.keepLetter(
        "a report", type: "warren.worker", reason: "bad-report", foundIn: "test.reports")
      let one = try await fixture.token(.admin, tenant: .one(.zero)).secret
      let all = try await fixture.token(.operate, tenant: .every).secret
      let path = "/dead_letters/\(id.uuidString.lowercased())"
      try await fixture.testTokens { client async throws in
        for (method, uri, body) in [
          (HTTPRequest.Method.get, path, nil), (.patch, path, #"{"body": "another"}"#),
          (.post, path + "/redrive", nil), (.delete, path, nil),
        ] {
          #expect(
            try await client.send(method, uri, token: one, body: body).status == .notFound,
            "\(method) \(uri)")
        }
        for action in ["redrive", "drop"] {
          let results = try await client.send(
            .post, "/dead_letters/\(action)", token: one, body: #"{"ids": ["\#(id)"]}"#
          ).decoded(as: DeadLetterResults.self)
          #expect(results.results.map(\.outcome) == [.unknown], "\(action)")
        }
        let detail = try await client.send(.get, path, token: all)
        #expect(detail.status == .ok && detail.text.contains("bad-report"))
        #expect(try await client.send(.delete, path, token: all).status == .ok)
      }
      // It says what was done, and to what.
      let entries = try await fixture.testTokens { client async throws in
        let admin = try await fixture.token(.admin, tenant: .every).secret
        return try await client.send(.get, "/audit", token: admin).decoded(as: AuditPage.self)
          .entries
      }
      #expect(entries.contains { $0.params == "1 ids: \(id.uuidString.lowercased())" })
      #expect(entries.contains { $0.action == "PATCH /dead_letters/{id}" && $0.params == "body" })
    }
  }

  @Test("nobody who is bound to a user makes a job of another's by an edit")
  func user() async throws {
    try await APIFixture.with { fixture in
      let id = try await fixture.keepLetter()
      let (user, tenant) = (UUID(), UUID.zero)
      let token = try await fixture.token(.operate, tenant: .one(tenant), user: user).secret
      try await fixture.testTokens { client async throws in
        for (other, status) in [(UUID(), HTTPResponse.Status.badRequest), (user, .ok)] {
          let response = try await client.send(
            .patch, "/dead_letters/\(id)", token: token,
            body: #"{"headers": {"user-id": "\#(other)"}}"#)
          #expect(response.status == status, "\(response.text)")
        }
      }
    }
  }
}
