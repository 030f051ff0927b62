/// What each tenant may ask of the API. Nothing is limited unless it is set.
package struct TenantLimits: Sendable, Hashable {
  /// Requests a second; 0 is without limit.
  package var rate: Double
  /// How many requests may come at once before the rate counts; `nil` is as many as come in a second.
  package var burst: Int?
  /// Requests under way at the same time; 0 is without limit.
  package var concurrency: Int

  package init(rate: Double = 0, burst: Int? = nil, concurrency: Int = 0) {
    self.rate = rate
    self.burst = burst
    self.concurrency = concurrency
  }

  /// The size of a tenant's bucket; `nil` without a rate.
  var bucket: TokenBucket.Size? {
    guard rate > 0 else { return nil }
    return TokenBucket.Size(
      rate: rate, burst: burst.map { Double(max(1, $0)) } ?? max(1, rate.rounded(.up)))
  }
}
