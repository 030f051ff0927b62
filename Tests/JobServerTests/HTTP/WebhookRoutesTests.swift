import Foundation
import HTTPTypes
import HummingbirdTesting
import Jobs
import NIOCore
import Testing

@testable import JobServer

@Suite("/webhooks", .timeLimit(.minutes(2)))
struct WebhookRoutesTests {
  private static let tenant = UUID()

  private func with(_ body: (APIFixture) async throws -> Void) async throws {
    try await APIFixture.with(
      webhooks: [
        try .sample("private", types: [], tenants: [Self.tenant]),
        try .sample("billing", types: ["files:*"], statuses: [.failed, .completed]),
      ], body)
  }

  @Test("lists what is open to the tenant, and of a URL the origin alone")
  func list() async throws {
    try await with { fixture in
      try await fixture.test { client in
        let list: WebhookList = try await client.read(.get, "/webhooks")
        #expect(
          list.webhooks == [
            Webhook(
              name: "billing", origin: "https://billing.example.org", types: ["files:*"],
              statuses: [.completed, .failed], queue: try JobQueueName("warren-webhook-billing"))
          ])
        let own: WebhookList = try await client.read(.get, "/webhooks", tenant: Self.tenant)
        #expect(own.webhooks.map(\.name) == ["billing", "private"])
        let text = String(buffer: try await client.send(.get, "/webhooks").body)
        #expect(!text.contains("token") && !text.contains("whsec"))
      }
    }
  }

  @Test("a job names endpoints, and is shown and retried with their names")
  func named() async throws {
    try await with { fixture in
      try await fixture.test { client in
        let job: Job = try await client.read(
          .post, "/jobs", status: .accepted,
          body: #"{"type": "files:count", "webhooks": ["billing"]}"#)
        #expect(job.webhooks == ["billing"])
        let shown: Job = try await client.read(.get, "/jobs/\(job.id)")
        #expect(shown.webhooks == ["billing"])
        _ = try await client.send(.post, "/jobs/\(job.id)/cancel")
        let again: Job = try await client.read(
          .post, "/jobs/\(job.id)/retry", status: .accepted)
        #expect(again.webhooks == ["billing"])
      }
    }
  }

  @Test("a job cannot name an endpoint that is not open to its tenant, or none, or nine")
  func unknown() async throws {
    try await with { fixture in
      try await fixture.test { client in
        for name in ["private", "biling", ""] {
          let problem = try await client.problem(
            .post, "/jobs", body: #"{"type": "files:count", "webhooks": ["\#(name)"]}"#)
          #expect(problem.type == "/problems/unknown-webhook")
          #expect(problem.status == 422)
          #expect(problem.detail == "there is no webhook '\(name)'; known are billing")
        }
        let many = Array(repeating: "\"billing\"", count: 9).joined(separator: ", ")
        let tooMany = try await client.problem(
          .post, "/jobs", body: #"{"type": "files:count", "webhooks": [\#(many)]}"#)
        #expect(tooMany.status == 400)
        #expect(tooMany.detail == "the job names 9 webhooks; 8 are the most")
        let wrong = try await client.problem(
          .post, "/jobs", body: #"{"type": "files:count", "webhooks": "billing"}"#)
        #expect(wrong.detail.contains("webhooks must be an array of strings"))
      }
    }
  }

  @Test("a test is a delivery of the caller's that tells of no job")
  func test() async throws {
    try await with { fixture in
      try await fixture.test { client in
        let job: Job = try await client.read(
          .post, "/webhooks/private/test", status: .accepted, tenant: Self.tenant)
        #expect(job.tenantID == Self.tenant)
        #expect(job.type == WebhookDelivery.type)
        #expect(job.queue.rawValue == "warren-webhook-private")
        #expect(job.retry.maxRetries == 0)
        let params = try job.params.decode(as: WebhookDelivery.Params.self)
        #expect(params.event.members?["type"] == "webhook.test")
        let shown: Job = try await client.read(.get, "/jobs/\(job.id)", tenant: Self.tenant)
        #expect(shown.id == job.id)
        let problem = try await client.problem(.post, "/webhooks/private/test")
        #expect(problem.status == 404)
        #expect(problem.detail == "there is no webhook 'private'; known are billing")
      }
    }
  }

  @Test("nobody schedules deliveries; one that has failed is retried in its endpoint's queue")
  func reserved() async throws {
    try await with { fixture in
      try await fixture.test { client in
        let problem = try await client.problem(
          .post, "/jobs", body: #"{"type": "warren:webhook", "params": {"endpoint": "billing"}}"#)
        #expect(problem.type == "/problems/unknown-type")
        #expect(problem.detail.contains("the server's own"))
        let job: Job = try await client.read(.post, "/webhooks/billing/test", status: .accepted)
        _ = try await client.send(.post, "/jobs/\(job.id)/cancel")
        let again: Job = try await client.read(
          .post, "/jobs/\(job.id)/retry", status: .accepted)
        #expect(again.queue == job.queue)
        #expect(again.params == job.params)
        #expect(again.id != job.id)
      }
    }
  }
}
