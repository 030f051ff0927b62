import Foundation
import Jobs

/// Tenants that have as much as they may.
extension MemoryJobStore.State {
  func exceeded(by job: Job) -> ExceededQuota? {
    guard let limit = quotas[job.tenantID].waiting, !job.type.isReserved,
      job.status == .initializing || job.status == .waiting
    else { return nil }
    let used = jobs.values.count {
      $0.job.tenantID == job.tenantID && !$0.job.type.isReserved
        && ($0.job.status == .initializing || $0.job.status == .waiting)
    }
    return used < limit ? nil : ExceededQuota(.waiting, limit: limit, used: used)
  }

  /// How many more jobs a tenant may run.
  private func free(_ tenant: UUID) -> Int {
    guard let limit = quotas[tenant].running else { return .max }
    return limit
      - jobs.values.count {
        $0.job.tenantID == tenant && $0.job.status.isHeld && !$0.job.type.isReserved
      }
  }

  /// The server's own jobs are made for tenants, not by them, and count for nothing in their quotas.
  func mayRun(_ job: Job) -> Bool { job.type.isReserved || free(job.tenantID) > 0 }

  mutating func noteHeld(_ before: Job, _ after: Job) {
    guard before.status.isHeld != after.status.isHeld, !after.type.isReserved else { return }
    ended[after.tenantID, default: 0] += before.status.isHeld ? 1 : -1
  }

  /// Of each kind of jobs as many become due as the tenant may run: as many as are missing, and of a better kind than those
  /// that are due, as many as have ended.
  mutating func releaseHeldBack() {
    defer { ended = [:] }
    guard quotas.has(\.running) else { return }
    let kinds = Dictionary(grouping: jobs.values.filter(\.isHeldBack)) {
      Kind(tenant: $0.job.tenantID, queue: $0.job.queue, type: $0.job.type)
    }
    for (kind, entries) in kinds {
      let free = free(kind.tenant)
      guard free > 0 else { continue }
      let due = jobs.values.count { entry in
        entry.isDue && entry.job.tenantID == kind.tenant && entry.job.queue == kind.queue
          && entry.job.type == kind.type
      }
      let missing = max(free - due, min(ended[kind.tenant] ?? 0, free))
      for entry in best(entries).prefix(max(0, missing)) {
        jobs[entry.job.id]?.isDue = true
        jobs[entry.job.id]?.isHeldBack = false
        noteDue(entry.job)
      }
    }
  }

  private struct Kind: Hashable {
    let tenant: UUID
    let queue: JobQueueName
    let type: JobTypeID
  }
}
