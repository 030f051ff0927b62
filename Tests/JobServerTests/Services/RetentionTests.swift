import Jobs
import Testing

@testable import JobServer

@Suite("Retention", .timeLimit(.minutes(2))) struct RetentionTests {
  private func retention(_ fixture: ServerFixture) -> Retention {
    Retention(
      store: fixture.store, policy: RetentionPolicy(), clock: fixture.clock, log: fixture.log)
  }

  /// Jobs that ended so long ago that they are not kept.
  @discardableResult
  private func ended(_ count: Int, in fixture: ServerFixture) async throws -> [Job] {
    try await fixture.jobs(count) { job in
      job.status = .completed
      job.updatedAt = ManualClock.start + .seconds(-40 * 86_400)
    }
  }

  private func untilPruned(_ count: Int, in fixture: ServerFixture) async throws {
    try await fixture.commits.until("\(count) are pruned") { commits in
      commits.flatMap(\.deleted).count == count
    }
  }

  @Test("prunes a while after the start, and then every few minutes")
  func rounds() async throws {
    let fixture = try await ServerFixture()
    let kept = try await fixture.jobs(1) { $0.status = .completed }[0]
    try await ended(2, in: fixture)
    try await fixture.run([retention(fixture)]) {
      try await fixture.clock.advance(by: Retention.delay, whenSleeping: 1)
      try await untilPruned(2, in: fixture)
      try await ended(3, in: fixture)
      try await fixture.clock.advance(by: Retention.interval, whenSleeping: 1)
      try await untilPruned(5, in: fixture)
      #expect(try await fixture.status(kept) == .completed)
    }
  }

  @Test("leaves time to others after each batch")
  func batches() async throws {
    let fixture = try await ServerFixture()
    let size = Retention.batchSize
    try await ended(2 * size + 1, in: fixture)
    try await fixture.run([retention(fixture)]) {
      try await fixture.clock.advance(by: Retention.delay, whenSleeping: 1)
      for pruned in [size, 2 * size] {
        // It sleeps only when the batch is committed.
        try await fixture.clock.state.until("a pause") { $0.sleeping == 1 }
        #expect(fixture.commits.value.flatMap(\.deleted).count == pruned)
        fixture.clock.advance(by: Retention.shortestPause)
      }
      try await untilPruned(2 * size + 1, in: fixture)
    }
  }

  @Test("tries again in the next round what has failed")
  func failure() async throws {
    let fixture = try await ServerFixture()
    try await ended(2, in: fixture)
    try await fixture.breakStore("DELETE ON job")
    try await fixture.run([retention(fixture)]) {
      try await fixture.clock.advance(by: Retention.delay, whenSleeping: 1)
      try await fixture.clock.state.until("the next pause") { $0.sleeping == 1 }
      #expect(fixture.log.counters.storeFailures == 1)
      #expect(fixture.commits.value.flatMap(\.deleted).isEmpty)
      try await fixture.mendStore()
      fixture.clock.advance(by: Retention.interval)
      try await untilPruned(2, in: fixture)
    }
  }

  @Test("there is one round at a time: whoever asks meanwhile is told that there is more")
  func oneAtATime() async throws {
    let fixture = try await ServerFixture()
    try await ended(Retention.batchSize + 1, in: fixture)
    try await fixture.run([fixture.service.retention]) {
      try await fixture.clock.advance(by: Retention.delay, whenSleeping: 1)
      try await fixture.clock.state.until("a pause after a batch") { $0.sleeping == 1 }
      async let second = fixture.service.prune(dryRun: false, within: .seconds(5))
      try await fixture.clock.state.until("both wait") { $0.sleeping == 2 }
      #expect(fixture.commits.value.flatMap(\.deleted).count == Retention.batchSize)
      fixture.clock.advance(by: Retention.turn)
      let report = try await second
      #expect(report.total == 0)
      #expect(report.hasMore)
      try await untilPruned(Retention.batchSize + 1, in: fixture)
    }
  }

  @Test("ends when its time is over, and says that there is more")
  func limit() async throws {
    let fixture = try await ServerFixture()
    try await ended(Retention.batchSize + 1, in: fixture)
    try await fixture.clock.passing(by: .seconds(5)) {
      let report = try await fixture.service.prune(dryRun: false, within: .seconds(5))
      #expect(report.total == Retention.batchSize)
      #expect(report.hasMore)
    }
    let rest = try await fixture.service.prune(dryRun: true, within: .seconds(5))
    #expect(rest.total == 1)
    #expect(!rest.hasMore)
  }
}
