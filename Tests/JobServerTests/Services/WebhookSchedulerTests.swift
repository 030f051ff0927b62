import Foundation
import JobStore
import Jobs
import Testing

@testable import JobServer

extension WebhookEndpoint {
  /// One whose secret everybody knows.
  static func sample(
    _ name: String = "billing", types: [String] = ["*"], tenants: Set<UUID>? = nil,
    statuses: Set<JobStatus> = WebhookEndpoint.ends
  ) throws -> WebhookEndpoint {
    try WebhookEndpoint(
      name, url: try WebhookURL("https://\(name).example.org/hook?token=x"),
      secrets: [try #require(WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))],
      types: types.map { WebhookPattern($0) }, tenants: tenants, statuses: statuses)
  }
}

@Suite("The scheduler of webhooks", .timeLimit(.minutes(2)))
struct WebhookSchedulerTests {
  private func scheduler(
    _ fixture: ServerFixture, _ endpoints: [WebhookEndpoint]
  ) -> WebhookScheduler {
    WebhookScheduler(
      endpoints: endpoints, store: fixture.store, ends: fixture.hub.ends, clock: fixture.clock,
      log: fixture.log)
  }

  private func deliveries(_ fixture: ServerFixture) async throws -> [Job] {
    try await fixture.store.list(
      JobQuery(tenant: .zero, type: WebhookDelivery.type, order: JobOrder(.createdAt))
    ).jobs
  }

  private func told(_ deliveries: [Job]) -> [String] {
    deliveries.compactMap { delivery in
      guard let params = try? delivery.params.decode(as: WebhookDelivery.Params.self),
        case .string(let id)? = params.event.members?["data"]?.members?["id"]
      else { return nil }
      return "\(params.endpoint) \(id)"
    }
  }

  @Test(
    "makes a delivery for each end and each endpoint that wants it, and tells of nothing before")
  func deliveries() async throws {
    let fixture = try await ServerFixture()
    let before = try await fixture.jobs(2) { $0.status = .completed }
    let scheduler = scheduler(
      fixture, [try .sample(), try .sample("failures", statuses: [.failed])])
    var place = try await scheduler.start()
    #expect(try await scheduler.turn(from: place) == place)
    let done = try await fixture.jobs(1) { $0.status = .completed }[0]
    let failed = try await fixture.jobs(1) { $0.status = .failed }[0]
    try await fixture.jobs(1)
    place = try await scheduler.turn(from: place)
    #expect(
      told(try await deliveries(fixture)) == [
        "billing \(done.id)", "billing \(failed.id)", "failures \(failed.id)",
      ])
    // What they are themselves is told to nobody.
    #expect(try await scheduler.turn(from: place) > place)
    #expect(try await deliveries(fixture).count == 3)
    #expect(before.count == 2)
  }

  @Test("goes on where it was, and makes none twice though its place was not stored")
  func restart() async throws {
    let fixture = try await ServerFixture()
    let endpoints = [try WebhookEndpoint.sample()]
    let first = scheduler(fixture, endpoints)
    let start = try await first.start()
    try await fixture.jobs(3) { $0.status = .completed }
    let place = try await first.turn(from: start)
    // The server is another one now.
    let second = scheduler(fixture, endpoints)
    #expect(try await second.start() == place)
    try await fixture.jobs(2) { $0.status = .completed }
    _ = try await second.turn(from: try await second.start())
    #expect(try await deliveries(fixture).count == 5)
    // A file that was put back from a backup has an earlier place.
    _ = try await second.turn(from: start)
    #expect(try await deliveries(fixture).count == 5)
  }

  @Test("stores deliveries and place together, or neither")
  func together() async throws {
    let fixture = try await ServerFixture()
    let scheduler = scheduler(fixture, [try .sample()])
    let start = try await scheduler.start()
    try await fixture.jobs(2) { $0.status = .completed }
    try await fixture.breakStore("UPDATE ON event_reader")
    await #expect(throws: StoreError.self) { try await scheduler.turn(from: start) }
    #expect(try await deliveries(fixture).isEmpty)
    #expect(try await scheduler.start() == start)
    try await fixture.mendStore()
    _ = try await scheduler.turn(from: start)
    #expect(try await deliveries(fixture).count == 2)
  }

  @Test("tells of more than one turn's transitions, params and results, in their order")
  func many() async throws {
    let fixture = try await ServerFixture()
    let scheduler = scheduler(fixture, [try .sample()])
    var place = try await scheduler.start()
    let text = JSONValue.string(String(repeating: "x", count: 3 << 20))
    var jobs: [Job] = []
    for _ in 0..<4 {
      jobs += try await fixture.jobs(1) { job in
        job.status = .completed
        job.result = text
      }
    }
    jobs += try await fixture.jobs(WebhookScheduler.pageSize) { $0.status = .completed }
    var turns = 0
    while true {
      let next = try await scheduler.turn(from: place)
      guard next != place else { break }
      place = next
      turns += 1
    }
    #expect(turns >= 3)
    var told: [String] = []
    var query = JobQuery(
      tenant: .zero, type: WebhookDelivery.type, order: JobOrder(.createdAt), part: .start,
      pageSize: 1000)
    while true {
      let page = try await fixture.store.list(query)
      told += self.told(page.jobs)
      guard let next = page.next else { break }
      query.part = .after(next)
    }
    #expect(told == jobs.map { "billing \($0.id)" })
  }

  @Test("is woken by the end of a job, and by nothing that is the server's own")
  func woken() async throws {
    let fixture = try await ServerFixture()
    let scheduler = scheduler(fixture, [try .sample()])
    _ = try await scheduler.start()
    try await fixture.run([scheduler]) {
      let job = try await fixture.jobs(1) { $0.status = .completed }[0]
      let isTold: @Sendable ([StoreCommit]) -> Bool = { commits in
        commits.contains { $0.transitions.contains { $0.type == WebhookDelivery.type } }
      }
      while !isTold(fixture.commits.value) {
        fixture.clock.advance(by: WebhookScheduler.interval)
        await Task.yield()
      }
      #expect(told(try await deliveries(fixture)) == ["billing \(job.id)"])
    }
  }

  @Test("forgets its place when there are no endpoints, so that nothing is told of that time")
  func forgets() async throws {
    let fixture = try await ServerFixture()
    let scheduler = scheduler(fixture, [try .sample()])
    let start = try await scheduler.start()
    try await scheduler.forget()
    try await fixture.jobs(1) { $0.status = .completed }
    let next = try await scheduler.start()
    #expect(next > start)
    #expect(try await scheduler.turn(from: next) == next)
    #expect(try await deliveries(fixture).isEmpty)
  }

  @Test("leaves out a job that was deleted meanwhile")
  func deleted() async throws {
    let fixture = try await ServerFixture()
    let scheduler = scheduler(fixture, [try .sample()])
    let start = try await scheduler.start()
    let jobs = try await fixture.jobs(2) { $0.status = .completed }
    _ = try await fixture.store.delete(jobs[0].id, tenant: nil, at: fixture.clock.now)
    _ = try await scheduler.turn(from: start)
    #expect(told(try await deliveries(fixture)) == ["billing \(jobs[1].id)"])
  }
}
