import Testing

@testable import Jobs

@Suite("Retry policy")
struct RetryPolicyTests {
  private func delays(_ backoff: Backoff, max: Duration = .seconds(3600)) -> [Duration] {
    let policy = RetryPolicy(maxRetries: 9, delay: .seconds(2), backoff: backoff, maxDelay: max)
    return (1...5).map { policy.delay(beforeRetry: $0, chance: 0.9) }
  }

  @Test("constant, linear and exponential")
  func growth() {
    #expect(delays(.constant) == [2, 2, 2, 2, 2].map { .seconds($0) })
    #expect(delays(.linear) == [2, 4, 6, 8, 10].map { .seconds($0) })
    #expect(delays(.exponential) == [2, 4, 8, 16, 32].map { .seconds($0) })
  }

  @Test("no delay is longer than the longest, unless the first one is")
  func ceiling() {
    #expect(delays(.exponential, max: .seconds(10)) == [2, 4, 8, 10, 10].map { .seconds($0) })
    #expect(delays(.constant, max: .seconds(1)) == [2, 2, 2, 2, 2].map { .seconds($0) })
  }

  @Test("jitter spreads evenly around the delay")
  func jitter() {
    let policy = RetryPolicy(maxRetries: 1, delay: .seconds(10), jitter: 0.2)
    #expect(policy.delay(beforeRetry: 1, chance: 0) == .seconds(8))
    #expect(policy.delay(beforeRetry: 1, chance: 0.5) == .seconds(10))
    #expect(policy.delay(beforeRetry: 1, chance: 1) == .seconds(12))
  }

  @Test("values out of range are taken to the nearest in range, and no retry number traps")
  func ranges() {
    let policy = RetryPolicy(maxRetries: -1, delay: .seconds(-1), jitter: .nan)
    #expect(policy == RetryPolicy(maxRetries: 0, delay: .zero, jitter: 0))
    let endless = RetryPolicy(
      maxRetries: .max, delay: .longest, backoff: .exponential, maxDelay: .longest)
    for retry in [Int.min, -1, 0, 1, 62, 63, 64, Int.max] {
      #expect(endless.delay(beforeRetry: retry, chance: 0.5) == .longest)
    }
  }
}
