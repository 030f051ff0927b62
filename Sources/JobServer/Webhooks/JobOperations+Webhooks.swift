package import Foundation
package import Jobs

extension JobOperations {
  /// The endpoints that are open to a tenant, by name.
  package func webhooks(tenant: UUID) -> [Webhook] {
    intake.webhooks.filter { $0.isOpen(to: tenant) }.sorted { $0.name < $1.name }.map { endpoint in
      Webhook(
        name: endpoint.name, origin: endpoint.url.origin,
        types: endpoint.types.map(\.description),
        statuses: endpoint.statuses.sorted { $0.rawValue < $1.rawValue }, queue: endpoint.queue)
    }
  }

  /// Makes a delivery that tells of no job. It is tried once.
  package func testWebhook(
    _ name: String, tenant: UUID, user: UUID
  ) async throws(JobOperationError) -> Job {
    let open = intake.webhooks.filter { $0.isOpen(to: tenant) }
    guard let endpoint = open.first(where: { $0.name == name }) else {
      throw .unknownWebhook(name, known: open.map(\.name).sorted())
    }
    let now = clock.now
    let delivery = WebhookDelivery.test(of: endpoint, tenant: tenant, user: user, at: now)
    _ = try await reading { () throws(StoreError) in try await store.insert(delivery, at: now) }
    return delivery.job
  }
}
