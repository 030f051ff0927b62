import Jobs
import Testing

@Suite("How long jobs are kept")
struct RetentionPolicyTests {
  private static let day = Duration.seconds(86_400)

  @Test("is 30 days, of those that did not get done 90, and for ever while they have not ended")
  func standard() {
    let policy = RetentionPolicy()
    for status in JobStatus.allCases {
      let days: Int? =
        switch status {
        case .failed, .timedOut: 90
        case .completed, .canceled, .skipped: 30
        default: nil
        }
      #expect(policy.age(of: status, type: nil) == days.map { Self.day * $0 }, "\(status)")
    }
  }

  @Test("is a type's own where it has one, and otherwise that of all; zero is for ever")
  func types() throws {
    let (own, other) = (try JobTypeID("a:b"), try JobTypeID("a:c"))
    var policy = RetentionPolicy()
    policy.keep(.completed, for: Self.day)
    policy.keep(.failed, for: .zero)
    policy.keep(.completed, for: .zero, type: own)
    policy.keep(.failed, for: Self.day * 2, type: own)
    #expect(policy.age(of: .completed, type: own) == nil)
    #expect(policy.age(of: .failed, type: own) == Self.day * 2)
    #expect(policy.age(of: .canceled, type: own) == Self.day * 30)
    #expect(policy.age(of: .completed, type: other) == Self.day)
    #expect(policy.age(of: .failed, type: other) == nil)
  }

  @Test("keeps the ids of deleted jobs as long as the longest, and 30 days at least")
  func tombstones() throws {
    var policy = RetentionPolicy()
    #expect(policy.tombstoneAge == Self.day * 90)
    for status in RetentionPolicy.statuses { policy.keep(status, for: Self.day) }
    #expect(policy.tombstoneAge == Self.day * 30)
    policy.keep(.skipped, for: Self.day * 400, type: try JobTypeID("a:b"))
    #expect(policy.tombstoneAge == Self.day * 400)
    var forever = RetentionPolicy()
    for status in RetentionPolicy.statuses { forever.keep(status, for: .zero) }
    #expect(forever.tombstoneAge == nil)
  }

  @Test("what is pruned adds up by type and status, in their order")
  func sums() throws {
    let (first, second) = (try JobTypeID("a:a"), try JobTypeID("a:b"))
    var pruned = Pruned(
      jobs: [PruneCount(type: second, status: .failed, count: 1)], tombstones: 1, hasMore: true)
    pruned.add(
      Pruned(
        jobs: [
          PruneCount(type: second, status: .failed, count: 2),
          PruneCount(type: second, status: .completed, count: 4),
          PruneCount(type: first, status: .skipped, count: 8),
          PruneCount(type: first, status: .failed, count: 0),
          PruneCount(type: nil, status: .failed, count: 16),
        ], tombstones: 2))
    #expect(
      pruned.jobs == [
        PruneCount(type: nil, status: .failed, count: 16),
        PruneCount(type: first, status: .skipped, count: 8),
        PruneCount(type: second, status: .completed, count: 4),
        PruneCount(type: second, status: .failed, count: 3),
      ])
    #expect(pruned.total == 31)
    #expect(pruned.tombstones == 3)
    #expect(!pruned.hasMore)
  }
}
