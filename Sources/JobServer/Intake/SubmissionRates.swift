import Foundation
import Jobs
import Synchronization

/// How many jobs each tenant may still submit in this minute, where it has such a quota. It begins full with each start of the
/// server.
final class SubmissionRates: Sendable {
  let quotas: TenantQuotas
  /// Whether any tenant has one.
  let isNeeded: Bool
  private let buckets: Mutex<TenantBuckets>

  init(_ quotas: TenantQuotas) {
    self.quotas = quotas
    isNeeded = quotas.has(\.perMinute)
    buckets = Mutex(TenantBuckets(Self.size(quotas.standard.perMinute ?? 1)))
  }

  /// A minute's jobs may come at once.
  private static func size(_ perMinute: Int) -> TokenBucket.Size {
    TokenBucket.Size(rate: Double(perMinute) / 60, burst: Double(perMinute))
  }

  /// Counts submissions.
  ///
  /// - Returns: how many of them there is room for, and what the others are told.
  func take(
    _ count: Int, of tenant: UUID, at now: Duration
  ) -> (taken: Int, exceeded: ExceededQuota)? {
    guard let limit = quotas[tenant].perMinute else { return nil }
    let size = Self.size(limit)
    return buckets.withLock { buckets in
      buckets.withBucket(of: tenant, size, at: now) {
        bucket -> (taken: Int, exceeded: ExceededQuota) in
        var taken = 0
        while taken < count, bucket.take(size, at: now) == nil { taken += 1 }
        return (
          taken: taken,
          exceeded: ExceededQuota(
            .perMinute, limit: limit, used: limit, retryAfter: bucket.wait(size))
        )
      }
    }
  }

  /// How many of those of a minute are used up; `nil` without a limit.
  func used(by tenant: UUID, at now: Duration) -> Int? {
    guard let limit = quotas[tenant].perMinute else { return nil }
    let size = Self.size(limit)
    return buckets.withLock { buckets in
      buckets.withBucket(of: tenant, size, at: now) { limit - Int($0.left(size, at: now)) }
    }
  }

  /// Some of those that were counted have made nothing new.
  func putBack(_ count: Int, of tenant: UUID, at now: Duration) {
    guard count > 0, let limit = quotas[tenant].perMinute else { return }
    let size = Self.size(limit)
    buckets.withLock { buckets in
      buckets.withBucket(of: tenant, size, at: now) { $0.putBack(count, size) }
    }
  }
}
