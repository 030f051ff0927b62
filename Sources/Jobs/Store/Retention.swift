/// How long jobs that have ended are kept, by their status and type. Counted from their end.
package struct RetentionPolicy: Sendable, Hashable {
  /// Those that have an age: the final ones.
  package static let statuses = JobStatus.allCases.filter(\.isFinal)

  /// How long jobs are kept of which nothing else is said. People look into those that did not get done: they stay longer.
  package static func standardAge(of status: JobStatus) -> Duration {
    status == .failed || status == .timedOut ? .days(90) : .days(30)
  }

  /// How long dead letters are kept to which nothing happens; zero for ever.
  package var deadLetterAge = Duration.days(90)
  /// How long those are kept that have become something.
  package static let acceptedLetterAge = Duration.days(7)

  private var ages: [JobStatus: Duration] = [:]
  private var agesOfTypes: [JobTypeID: [JobStatus: Duration]] = [:]

  /// The standard ages.
  package init() {}

  /// Sets an age; zero keeps for ever.
  ///
  /// - Parameter type: the only type that it is for; `nil` for all that have none of their own.
  package mutating func keep(_ status: JobStatus, for age: Duration, type: JobTypeID? = nil) {
    if let type {
      agesOfTypes[type, default: [:]][status] = age
    } else {
      ages[status] = age
    }
  }

  /// How long jobs of a status and type are kept; `nil` for ever.
  ///
  /// - Parameter type: `nil` where it cannot be told.
  package func age(of status: JobStatus, type: JobTypeID?) -> Duration? {
    guard status.isFinal else { return nil }
    let age =
      type.flatMap { agesOfTypes[$0]?[status] } ?? ages[status] ?? Self.standardAge(of: status)
    return age > .zero ? age : nil
  }

  /// How long the ids of deleted jobs stay used: as long as any job is kept that is not kept for ever, and 30 days at least.
  /// For ever (`nil`) where all jobs are.
  package var tombstoneAge: Duration? {
    let general = Self.statuses.compactMap { age(of: $0, type: nil) }
    let own = agesOfTypes.values.flatMap(\.values).filter { $0 > .zero }
    return (general + own).max().map { max($0, .days(30)) }
  }
}

extension Duration {
  fileprivate static func days(_ days: Int) -> Duration { .seconds(days * 86_400) }
}

/// How many jobs of a type and a status are pruned.
public struct PruneCount: Sendable, Hashable, Codable {
  /// `nil` for rows whose type cannot be read.
  public let type: JobTypeID?
  public let status: JobStatus
  public let count: Int

  package init(type: JobTypeID?, status: JobStatus, count: Int) {
    self.type = type
    self.status = status
    self.count = count
  }
}

/// What a store has pruned, or would prune.
package struct Pruned: Sendable, Hashable {
  /// By type and status; nothing where there are none.
  package private(set) var jobs: [PruneCount] = []
  /// Ids of deleted jobs that may be used again.
  package private(set) var tombstones = 0
  /// Whether there is more of it.
  package var hasMore = false

  package init(jobs: [PruneCount] = [], tombstones: Int = 0, hasMore: Bool = false) {
    self.tombstones = tombstones
    self.hasMore = hasMore
    add(jobs)
  }

  /// How many jobs, of all types and statuses.
  package var total: Int { jobs.reduce(0) { $0 + $1.count } }

  /// Adds what was pruned next.
  package mutating func add(_ next: Pruned) {
    tombstones += next.tombstones
    hasMore = next.hasMore
    add(next.jobs)
  }

  private mutating func add(_ counts: [PruneCount]) {
    let sums = Dictionary(grouping: jobs + counts) {
      PruneCount(type: $0.type, status: $0.status, count: 0)
    }
    jobs = sums.map { kind, counts in
      PruneCount(
        type: kind.type, status: kind.status, count: counts.reduce(0) { $0 + $1.count })
    }.filter { $0.count > 0 }.sorted {
      ($0.type?.description ?? "", $0.status.rawValue)
        < ($1.type?.description ?? "", $1.status.rawValue)
    }
  }
}

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
  package init(_ pruned: Pruned, dryRun: Bool) {
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
