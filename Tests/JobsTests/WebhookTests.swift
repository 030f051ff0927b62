import Foundation
import Testing

@testable import Jobs

/// An endpoint whose secret is known.
private func endpoint(
  _ name: String = "billing", types: [String] = ["*"], tenants: Set<UUID>? = nil,
  statuses: Set<JobStatus> = WebhookEndpoint.ends
) throws -> WebhookEndpoint {
  try WebhookEndpoint(
    name, url: try WebhookURL("https://hooks.example.org/a?token=x"),
    secrets: [try #require(WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))],
    types: types.map { WebhookPattern($0) }, tenants: tenants, statuses: statuses)
}

private func ended(
  _ type: String = "media:checksum", as status: JobStatus = .completed, tenant: UUID = .zero,
  params: JSONValue = [:], _ change: (inout Job) -> Void = { _ in }
) throws -> Job {
  var job = Job(
    id: JobID(), tenantID: tenant, userID: .zero, idempotencyKey: UUID(),
    type: try JobTypeID(type), queue: .compute, params: params, timeout: .zero, retry: .never,
    scheduledAt: .start, createdAt: .start)
  job.status = status
  change(&job)
  return job
}

extension Timestamp {
  fileprivate static let start = Timestamp(milliseconds: 1_767_225_600_123)
}

@Suite("A webhook endpoint")
struct WebhookEndpointTests {
  @Test(
    "is told of the types that a pattern matches",
    arguments: [
      ("*", true), ("media:*", true), ("media:checksum", true), ("*:checksum", true),
      ("m*:*sum", true), ("**", true), ("m*a:*k*m", true), ("media:check", false),
      ("edia:*", false), ("mail:*", false), ("media:checksum*x", false), ("", false),
      ("media:checksumchecksum", false), ("media:check*checksum", false),
    ])
  func patterns(pattern: String, isMatched: Bool) {
    #expect(WebhookPattern(pattern).matches("media:checksum") == isMatched)
  }

  @Test("is told of its statuses and tenants alone, and never of the server's own jobs")
  func wants() throws {
    let tenant = UUID()
    let failures = try endpoint(types: ["media:*"], tenants: [tenant], statuses: [.failed])
    #expect(failures.wants(try ended(as: .failed, tenant: tenant)))
    #expect(!failures.wants(try ended(as: .completed, tenant: tenant)))
    #expect(!failures.wants(try ended(as: .failed, tenant: UUID())))
    #expect(!failures.wants(try ended("mail:send", as: .failed, tenant: tenant)))
    #expect(!(try endpoint()).wants(try ended(as: .running)))
    let own = try ended("warren:webhook") { $0.webhooks = ["billing"] }
    #expect(!(try endpoint()).wants(own))
  }

  @Test("is told of a job that names it, whatever the job's type, if it is open to the tenant")
  func named() throws {
    let tenant = UUID()
    let onRequest = try endpoint(types: [], tenants: [tenant])
    #expect(!onRequest.wants(try ended(tenant: tenant)))
    #expect(onRequest.wants(try ended(tenant: tenant) { $0.webhooks = ["other", "billing"] }))
    #expect(!onRequest.wants(try ended(tenant: UUID()) { $0.webhooks = ["billing"] }))
  }

  @Test("is tried again by the schedule of the Standard Webhooks document, with some jitter")
  func retries() throws {
    let endpoint = try endpoint()
    let schedule = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    #expect(endpoint.retries == schedule.map { .seconds($0) })
    for (index, seconds) in schedule.enumerated() {
      #expect(endpoint.delay(beforeRetry: index + 1, chance: 0.5) == .seconds(seconds))
      let least = endpoint.delay(beforeRetry: index + 1, chance: 0)
      #expect(abs(least.seconds - Double(seconds) * 0.9) < 0.001)
    }
    #expect(endpoint.delay(beforeRetry: 99, chance: 0.5) == .seconds(86_400))
    #expect(endpoint.delay(beforeRetry: 0, chance: 0.5) == .seconds(5))
  }

  @Test("is left alone for as long as it wishes, up to a day")
  func wishes() throws {
    let endpoint = try endpoint()
    #expect(endpoint.delay(beforeRetry: 1, chance: 0.5, wish: .seconds(60)) == .seconds(60))
    #expect(endpoint.delay(beforeRetry: 2, chance: 0.5, wish: .seconds(60)) == .seconds(300))
    #expect(endpoint.delay(beforeRetry: 1, chance: 0.5, wish: .longest) == .seconds(86_400))
  }

  @Test(
    "has a URL with TLS, unless it is on this machine or the operator says that it need not",
    arguments: [
      ("https://hooks.example.org/x", true, true), ("http://127.0.0.1:8080/x", true, true),
      ("http://localhost/x", true, true), ("http://[::1]:8080/", true, true),
      ("http://10.0.0.1/x", false, true), ("http://localhost.example.org/", false, true),
      ("http://127.0.0.1.example.org/", false, true),
      ("https://user:secret@hooks.example.org/", false, false),
      ("ftp://example.org/", false, false),
      ("https:///x", false, false), ("hooks.example.org", false, false), ("", false, false),
      ("https://hooks.example.org/#x", false, false), ("https://exa mple.org/", false, false),
    ])
  func urls(text: String, isURL: Bool, isInsecureURL: Bool) {
    #expect(((try? WebhookURL(text)) != nil) == isURL)
    #expect(((try? WebhookURL(text, insecure: true)) != nil) == isInsecureURL)
  }

  @Test("shows of its URL the origin alone")
  func shown() throws {
    let endpoint = try endpoint()
    #expect(endpoint.url.origin == "https://hooks.example.org")
    var dumped = ""
    dump(endpoint, to: &dumped)
    for text in ["\(endpoint)", String(reflecting: endpoint), dumped] {
      #expect(!text.contains("token"))
      #expect(!text.contains("whsec_M"))
    }
  }

  @Test("has a name that becomes its queue's")
  func names() throws {
    #expect(try endpoint("a-B_9").queue.rawValue == "warren-webhook-a-B_9")
    #expect(try endpoint().queue.isReserved)
    for name in ["", "a b", "a.b", String(repeating: "x", count: 41)] {
      #expect(throws: NameError.self) { try endpoint(name) }
    }
  }
}

@Suite("A delivery to a webhook")
struct WebhookDeliveryTests {
  private func event(of job: Job, sequence: Int64 = 7) -> JobEvent {
    JobEvent(
      sequence: sequence, job: job.id, type: job.type, queue: job.queue, from: .running,
      to: job.status, at: .start, attempt: 1, worker: nil, reason: nil)
  }

  @Test("has all that is sent, belongs to the job's tenant, and has the same id each time")
  func delivery() throws {
    let endpoint = try endpoint()
    let job = try ended(tenant: UUID(), params: ["path": "a"]) { $0.result = "sum" }
    let delivery = WebhookDelivery.job(telling: event(of: job), of: job, to: endpoint, at: .start)
    #expect(delivery.job.tenantID == job.tenantID)
    #expect(delivery.job.type.description == "warren:webhook")
    #expect(delivery.job.queue == endpoint.queue)
    #expect(delivery.job.retry.maxRetries == 9)
    let params = try delivery.job.params.decode(as: WebhookDelivery.Params.self)
    #expect(params.id == delivery.job.id.description)
    #expect(params.endpoint == "billing")
    let sent = try #require(params.event.members)
    #expect(sent["type"] == "job.completed")
    #expect(sent["timestamp"] == "2026-01-01T00:00:00.123Z")
    #expect(sent["data"] == (try JSONValue(parsing: job.json)))
    #expect(sent["omitted"] == nil)
    #expect(
      WebhookDelivery.job(telling: event(of: job), of: job, to: endpoint, at: .now).job.id
        == delivery.job.id)
    let others = [
      WebhookDelivery.job(telling: event(of: job, sequence: 8), of: job, to: endpoint, at: .now),
      WebhookDelivery.job(
        telling: event(of: job), of: job, to: try self.other(), at: .now),
    ].map(\.job.id)
    #expect(Set(others + [delivery.job.id]).count == 3)
    #expect(WebhookDelivery.queue(of: delivery.submitted) == endpoint.queue)
  }

  private func other() throws -> WebhookEndpoint { try endpoint("other") }

  @Test("goes with the job's trace, and with nothing else of its context")
  func trace() throws {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    var job = Job(
      id: JobID(), tenantID: .zero, userID: .zero, idempotencyKey: UUID(),
      type: try JobTypeID("a:b"), queue: .compute, params: [:], timeout: .zero, retry: .never,
      context: ["traceparent": trace, "request-id": "7"], scheduledAt: .start, createdAt: .start)
    job.status = .failed
    let delivery = WebhookDelivery.job(
      telling: event(of: job), of: job, to: try endpoint(), at: .start)
    #expect(delivery.job.context == ["traceparent": trace])
  }

  @Test("leaves out what is too large, names it, and is never larger than it may be")
  func large() throws {
    let large = JSONValue.string(String(repeating: "x", count: 70_000))
    let bigParams = WebhookEvent.ended(try ended(params: ["a": large]), at: .start)
    #expect(bigParams.members?["omitted"] == ["params"])
    #expect(bigParams.members?["data"]?.members?["id"] != nil)
    let bigResult = WebhookEvent.ended(
      try ended(params: ["a": 1]) { $0.result = large }, at: .start)
    #expect(bigResult.members?["omitted"] == ["params", "result"])
    let error = WebhookEvent.ended(
      try ended(as: .failed) { $0.error = String(repeating: "é", count: 100_000) }, at: .start)
    for event in [bigParams, bigResult, error] {
      #expect(event.utf8.count <= WebhookDelivery.mostBytes)
    }
  }

  @Test("can be stored, however deeply params and result are nested")
  func deep() throws {
    var value: JSONValue = 1
    for _ in 0..<JSONValue.maxDepth { value = .array([value]) }
    let job = try ended { $0.result = value }
    let params = WebhookDelivery.job(
      telling: event(of: job), of: job, to: try endpoint(), at: .start
    ).job.params
    #expect(try JSONValue(parsing: params.utf8) == params)
    #expect(params.members?["event"]?.members?["omitted"] == ["result"])
  }
}
