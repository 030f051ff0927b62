package import Foundation

/// What a tenant may have of jobs; `nil` is without limit.
package struct Quota: Sendable, Hashable {
  /// How many jobs may be there that have not begun: those that are `initializing` or `waiting`, be it for a worker, for their
  /// time, or to be tried again.
  package var waiting: Int?
  /// How many jobs workers may have at once, over all queues.
  package var running: Int?
  /// How many jobs may be submitted in a minute.
  package var perMinute: Int?

  package init(waiting: Int? = nil, running: Int? = nil, perMinute: Int? = nil) {
    self.waiting = waiting
    self.running = running
    self.perMinute = perMinute
  }
}

/// The quotas of all tenants.
package struct TenantQuotas: Sendable, Hashable {
  /// Of every tenant that has none of its own.
  package var standard: Quota
  package var tenants: [UUID: Quota]

  package init(_ standard: Quota = Quota(), tenants: [UUID: Quota] = [:]) {
    self.standard = standard
    self.tenants = tenants
  }

  package subscript(tenant: UUID) -> Quota { tenants[tenant] ?? standard }

  /// Whether any tenant has one of a kind: without, nothing is looked up.
  package func has(_ kind: KeyPath<Quota, Int?>) -> Bool {
    standard[keyPath: kind] != nil || tenants.values.contains { $0[keyPath: kind] != nil }
  }
}

/// A quota that leaves no room for a job.
package struct ExceededQuota: Sendable, Hashable, CustomStringConvertible {
  package enum Kind: String, Sendable, Hashable {
    case waiting
    case perMinute = "per_minute"
  }

  package let kind: Kind
  /// How many there may be.
  package let limit: Int
  /// How many there are; of ``Kind/waiting`` only.
  package let used: Int
  /// After how long there is room; `nil` where nobody knows.
  package let retryAfter: Duration?

  package init(_ kind: Kind, limit: Int, used: Int, retryAfter: Duration? = nil) {
    self.kind = kind
    self.limit = limit
    self.used = used
    self.retryAfter = retryAfter
  }

  package var description: String {
    switch kind {
    case .waiting:
      "the tenant's quota allows \(limit) jobs that have not begun, and there are \(used)"
    case .perMinute:
      "the tenant has submitted as many jobs as its quota allows: \(limit) a minute"
    }
  }
}
