/// What was pruned, or would be: the answer to `POST /prune`.
public struct PruneReport: Sendable, Hashable, Codable {
  /// Whether it was only counted.
  public let dryRun: Bool
  /// How many jobs.
  public private(set) var total: Int
  /// How many jobs, by type and status.
  public private(set) var jobs: [PruneCount]
  /// How many ids of deleted jobs, which may be used again now.
  public private(set) var tombstones: Int
  /// Whether there is more to be pruned: ask again, or leave it to the server's next round.
  public private(set) var hasMore: Bool

  /// What a server answers with.
  public init(_ pruned: Pruned, dryRun: Bool) {
    self.dryRun = dryRun
    total = pruned.total
    jobs = pruned.jobs
    tombstones = pruned.tombstones
    hasMore = pruned.hasMore
  }

  /// Adds what the next request has answered.
  public mutating func add(_ next: PruneReport) {
    var sum = Pruned(jobs: jobs, tombstones: tombstones)
    sum.add(Pruned(jobs: next.jobs, tombstones: next.tombstones, hasMore: next.hasMore))
    self = PruneReport(sum, dryRun: dryRun)
  }

  private enum CodingKeys: String, CodingKey {
    case total, jobs, tombstones
    case dryRun = "dry_run"
    case hasMore = "has_more"
  }
}
