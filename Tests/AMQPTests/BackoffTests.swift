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

  @Test("They begin anew after a success that lasted longer than the next pause, and only then")
  func success() {
    var backoff = Backoff(policy)
    for _ in 0..<3 { _ = backoff.next() }
    backoff.succeeded(for: .milliseconds(700))
    #expect(backoff.next() >= .milliseconds(400), "what is lost at once is not hammered")
    backoff.succeeded(for: .seconds(1))
    #expect(backoff.next() <= .milliseconds(100))
  }

  @Test("While nobody listens, a second is the longest, if no more is wanted")
  func refused() {
    #expect(ReconnectPolicy().initialDelay <= .milliseconds(100))
    #expect(ReconnectPolicy().whileRefused.maximumDelay == .seconds(1))
    let hasty = ReconnectPolicy(maximumDelay: .milliseconds(300))
    #expect(hasty.whileRefused.maximumDelay == .milliseconds(300))
    var patient = Backoff(ReconnectPolicy(initialDelay: .seconds(4)).whileRefused)
    #expect(patient.next() >= .seconds(2))
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
