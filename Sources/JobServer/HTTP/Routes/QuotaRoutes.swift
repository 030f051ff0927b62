import Foundation
import Hummingbird
import Jobs

/// `GET /quotas`: what the tenant may have of jobs, and what it has.
struct QuotaRoutes {
  let service: JobOperations

  func add(to routes: inout APIRoutes) {
    routes.get("/quotas", .wholeTenant(.read), use: quotas)
  }

  @Sendable private func quotas(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    _ = try QueryParameters(request.uri, known: [])
    let caller = try context.caller
    return try .json(try await service.quotas(of: caller.tenant))
  }
}

/// The answer of `GET /quotas`. What has no limit has no `limit`.
struct QuotaReport: Sendable, Hashable, Codable {
  struct Use: Sendable, Hashable, Codable {
    let limit: Int?
    let used: Int?
  }

  let waiting: Use
  let running: Use
  let perMinute: Use

  private enum CodingKeys: String, CodingKey {
    case waiting, running
    case perMinute = "per_minute"
  }
}

extension JobOperations {
  func quotas(of tenant: UUID) async throws(JobOperationError) -> QuotaReport {
    let quota = intake.rates.quotas[tenant]
    let waiting = try await count([.initializing, .waiting], of: tenant)
    let running = try await count([.running, .canceling, .suspending, .locked], of: tenant)
    return QuotaReport(
      waiting: QuotaReport.Use(limit: quota.waiting, used: waiting),
      running: QuotaReport.Use(limit: quota.running, used: running),
      perMinute: QuotaReport.Use(
        limit: quota.perMinute, used: intake.rates.used(by: tenant, at: clock.uptime)))
  }

  private func count(
    _ statuses: Set<JobStatus>, of tenant: UUID
  ) async throws(JobOperationError) -> Int {
    try await reading { () throws(StoreError) in
      let query = JobQuery(tenant: tenant, statuses: statuses, pageSize: 1)
      var own = query
      own.type = WebhookDelivery.type
      return try await store.list(query).total - store.list(own).total
    }
  }
}
