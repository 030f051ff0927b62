import AMQP
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import JobStore
import JobTransport
import Jobs
import Testing

@testable import JobServer

@Suite("What a tenant may have of jobs", .timeLimit(.minutes(2))) struct QuotaTests {
  private static let tenant = UUID()

  private static func quotas(waiting: Int? = nil, perMinute: Int? = nil) -> TenantQuotas {
    TenantQuotas(tenants: [tenant: Quota(waiting: waiting, perMinute: perMinute)])
  }

  private func submissions(
    _ count: Int, tenant: UUID = Self.tenant, type: String = "test:job"
  ) throws -> [JobSubmission] {
    try (0..<count).map { _ in
      JobSubmission(type: try JobTypeID(type), params: [:], id: JobID(), tenantID: tenant)
    }
  }

  private func isNew(_ outcome: Result<ScheduledJob, ScheduleError>) -> Bool {
    (try? outcome.get().isNew) ?? false
  }

  private func exceeded(_ outcome: Result<ScheduledJob, ScheduleError>) -> ExceededQuota? {
    if case .failure(.exceeded(let quota)) = outcome { quota } else { nil }
  }

  @Test("as many jobs in a minute as may be; those that are known count for nothing")
  func perMinute() async throws {
    let fixture = try await ServerFixture(quotas: Self.quotas(perMinute: 6))
    let known = try submissions(3)
    #expect(await fixture.intake.schedule(known).map(isNew) == [true, true, true])
    // Three of these seven are known, and leave their room to the last.
    let new = try submissions(4)
    let second = try await fixture.intake.schedule(known + new + submissions(2, tenant: UUID()))
    #expect(
      second.map(isNew) == [false, false, false, true, true, true, false, true, true])
    #expect(
      exceeded(second[6])
        == ExceededQuota(.perMinute, limit: 6, used: 6, retryAfter: .seconds(10)))
    #expect(await fixture.intake.schedule(known).allSatisfy { (try? $0.get()) != nil })
    fixture.clock.advance(by: .seconds(9))
    #expect(await fixture.intake.schedule([new[3]]).map(isNew) == [false])
    fixture.clock.advance(by: .seconds(1))
    #expect(await fixture.intake.schedule([new[3]]).map(isNew) == [true])
  }

  @Test("what is beyond a quota becomes a dead letter, and holds up nobody")
  func deadLetters() async throws {
    let fixture = try await ServerFixture(quotas: Self.quotas(waiting: 2))
    let consumer = SubmitConsumer(
      intake: fixture.intake, service: fixture.service, initializer: fixture.initializer,
      broker: fixture.broker, deadLetters: fixture.deadLetters, names: fixture.names,
      access: BrokerAccess(), redriven: fixture.redriven(BrokerAccess()), maxBodyBytes: 1 << 20,
      clock: fixture.clock, log: fixture.log)
    let own = try submissions(4)
    let other = try submissions(2, tenant: UUID())
    try await fixture.run([consumer]) {
      let intake = try await fixture.broker.consumer(of: "jobs.submit")
      intake.deliver((own + other).map { JobMessage.message($0) })
      try await intake.untilAcknowledged(6)
      for submission in own.prefix(2) + other {
        #expect(try await fixture.store.job(try #require(submission.id)) != nil)
      }
      let dead = fixture.broker.state.value.confirmed.filter { $0.exchange == "jobs.dead" }
        .map(\.message)
      #expect(dead.count == 2)
      for letter in dead {
        #expect(letter.properties.headers[DeadLetter.reason] == .string("quota-exceeded"))
        #expect(
          letter.properties.headers[DeadLetter.explanation]?.stringValue
            == "the tenant's quota allows 2 jobs that have not begun, and there are 2")
      }
    }
  }

  @Test("over HTTP, 429 says which quota it is, and when to ask again", arguments: [true, false])
  func http(isWaiting: Bool) async throws {
    let quotas =
      isWaiting ? Self.quotas(waiting: 1) : TenantQuotas(Quota(perMinute: 1))
    try await APIFixture.with(quotas: quotas) { fixture in
      try await fixture.test { client in
        var headers = HTTPFields()
        if let name = HTTPField.Name("X-Tenant-ID") { headers[name] = Self.tenant.uuidString }
        let body = #"{"type": "files:count"}"#
        #expect(
          try await client.send(.post, "/jobs", headers: headers, body: body).status == .accepted)
        let refused = try await client.send(.post, "/jobs", headers: headers, body: body)
        let problem = try refused.problem()
        #expect(problem.type == "/problems/quota-exceeded")
        #expect(problem.status == 429)
        let wait = try #require(refused.headers[.retryAfter].flatMap { Int($0) })
        if isWaiting {
          #expect(wait == 10)
          #expect(
            problem.detail
              == "the tenant's quota allows 1 jobs that have not begun, and there are 1; ask again in 10 s"
          )
        } else {
          #expect((50...60).contains(wait))
          #expect(problem.detail.contains("as its quota allows: 1 a minute; ask again in"))
        }
        let report = try await client.send(.get, "/quotas", headers: headers)
        typealias Use = QuotaReport.Use
        #expect(
          try report.decoded(as: QuotaReport.self)
            == QuotaReport(
              waiting: Use(limit: isWaiting ? 1 : nil, used: 1), running: Use(limit: nil, used: 0),
              perMinute: isWaiting ? Use(limit: nil, used: nil) : Use(limit: 1, used: 1)))
        let batch = try await client.send(
          .post, "/jobs/batch", headers: headers, body: "[\(body)]")
        #expect(String(buffer: batch.body).contains("/problems/quota-exceeded"))
      }
    }
  }

  @Test("jobs that are retried together wait until there is room")
  func bulk() async throws {
    let fixture = try await ServerFixture(quotas: TenantQuotas(Quota(perMinute: 2)))
    let jobs = try await fixture.jobs(5) { $0.status = .failed }
    let operation = try await fixture.service.begin(
      BulkRequest(action: .retry, filter: BulkFilter()), tenant: .zero, key: nil
    ).operation
    try await fixture.run([BulkRunner(service: fixture.service)]) {
      let start = fixture.clock.uptime
      try await fixture.clock.passing(by: .seconds(5)) {
        let deadline = ContinuousClock.now + .seconds(30)
        while try await fixture.service.operation(operation.id, tenant: .zero).status == .running {
          try #require(ContinuousClock.now < deadline, "it does not end within 30 s")
          await Task.yield()
        }
      }
      let end = try await fixture.service.operation(operation.id, tenant: .zero)
      #expect((end.done, end.failed, end.skipped) == (jobs.count, 0, 0))
      #expect(fixture.clock.uptime - start >= .seconds(90))
    }
  }
}
