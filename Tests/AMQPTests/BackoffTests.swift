import Testing

@testable import AMQP

@Suite("Pauses between attempts")
struct BackoffTests {
  private let policy = ReconnectPolicy(
    initialDelay: .milliseconds(100), maximumDelay: .seconds(1))

  @Test("They double up to the maximum, each between half of its bound and the bound")
  func growth() {
    for seed in 0..<100 {
      var generator = SplitMix(seed: UInt64(seed))
      var backoff = Backoff(policy)
      for bound in [100, 200, 400, 800, 1_000, 1_000] {
        let pause = backoff.next(using: &generator)
        #expect(pause >= .milliseconds(bound) / 2 && pause <= .milliseconds(bound))
      }
      backoff.reset()
      #expect(backoff.next(using: &generator) <= .milliseconds(100))
    }
  }

  @Test("They differ")
  func jitter() {
    var backoff = Backoff(policy)
    #expect(Set((0..<20).map { _ in backoff.next() }).count > 10)
  }

  @Test("A senseless policy still pauses")
  func senseless() {
    var backoff = Backoff(ReconnectPolicy(initialDelay: .zero, maximumDelay: .seconds(-1)))
    for _ in 0..<5 { #expect(backoff.next() > .zero) }
  }
}
