import Foundation
import Jobs

/// What a tenant has left of its requests: it gains some every second, up to a burst, and each request takes one.
struct TokenBucket: Equatable {
  /// How many requests a bucket gains, and holds.
  struct Size: Equatable {
    /// In a second.
    let rate: Double
    /// At most, and at first.
    let burst: Double
  }

  private var tokens: Double
  private var counted: Duration

  /// A full one.
  init(_ size: Size, at now: Duration) {
    tokens = size.burst
    counted = now
  }

  /// Takes one.
  ///
  /// - Returns: how long it takes until there is one, when there is none; `nil` when it was taken.
  mutating func take(_ size: Size, at now: Duration) -> Duration? {
    tokens = min(size.burst, tokens + max(0, (now - counted).seconds) * size.rate)
    counted = max(now, counted)
    guard tokens < 1 else {
      tokens -= 1
      return nil
    }
    return .seconds((1 - tokens) / size.rate)
  }
}

/// The buckets of those tenants that have asked lately. Whoever is not among them has a full one.
///
/// It keeps two generations: with so many tenants that the younger one is full, the older one goes. So it has room for twice
/// the limit however many come, and no request pays for looking through it. What that costs is strictness: a tenant gets a full
/// bucket early when as many others as the limit came after it.
struct TenantBuckets {
  /// How many tenants one generation has.
  static let limit = 10_000

  private let size: TokenBucket.Size
  private let limit: Int
  private var younger: [UUID: TokenBucket] = [:]
  private var older: [UUID: TokenBucket] = [:]

  init(_ size: TokenBucket.Size, limit: Int = Self.limit) {
    self.size = size
    self.limit = limit
  }

  /// How many tenants it keeps.
  var count: Int { younger.count + older.count }

  /// Counts a request of a tenant.
  ///
  /// - Returns: how long the tenant has to wait, when it may not be done; `nil` when it may.
  mutating func take(_ tenant: UUID, at now: Duration) -> Duration? {
    if younger[tenant] == nil {
      let kept = older.removeValue(forKey: tenant)
      if younger.count >= limit {
        older = younger
        younger = [:]
      }
      younger[tenant] = kept ?? TokenBucket(size, at: now)
    }
    return younger[tenant]?.take(size, at: now)
  }
}
