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
    guard left(size, at: now) < 1 else {
      tokens -= 1
      return nil
    }
    return wait(size)
  }

  /// How many there are.
  mutating func left(_ size: Size, at now: Duration) -> Double {
    tokens = min(size.burst, tokens + max(0, (now - counted).seconds) * size.rate)
    counted = max(now, counted)
    return tokens
  }

  /// How long it takes from the last count until there is one.
  func wait(_ size: Size) -> Duration {
    .seconds(max(0, 1 - tokens) / size.rate)
  }

  /// Some that were taken were not needed.
  mutating func putBack(_ count: Int, _ size: Size) {
    tokens = min(size.burst, tokens + Double(count))
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
    let size = size
    return withBucket(of: tenant, size, at: now) { $0.take(size, at: now) }
  }

  /// Does something with a tenant's bucket, of whatever size that has.
  mutating func withBucket<Answer>(
    of tenant: UUID, _ size: TokenBucket.Size, at now: Duration,
    _ body: (inout TokenBucket) -> Answer
  ) -> Answer {
    if younger[tenant] == nil {
      let kept = older.removeValue(forKey: tenant)
      if younger.count >= limit {
        older = younger
        younger = [:]
      }
      younger[tenant] = kept ?? TokenBucket(size, at: now)
    }
    return body(&younger[tenant, default: TokenBucket(size, at: now)])
  }
}
