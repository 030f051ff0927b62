import GRDB
public import Jobs

extension StatusStore {
  /// How many jobs each queue has in each status, sorted by both; costs the same for any number of jobs.
  public func counts() async throws(StoreError) -> [QueueCount] {
    try await read { db in try JobCounts.byQueue(db) }
  }

  /// How many waiting jobs of each queue are for later than `now`.
  public func scheduledCounts(after now: Timestamp) async throws(StoreError) -> [JobQueueName: Int]
  {
    try await read { db in try JobCounts.scheduled(after: now, db) }
  }

  /// How many waiting jobs of each queue have a ticket; nothing where none has.
  public func issuedCounts() async throws(StoreError) -> [JobQueueName: Int] {
    try await read { db in
      var issued: [JobQueueName: Int] = [:]
      for count in try JobCounts.byQueue(db) where count.status == .waiting {
        issued[count.queue] = count.count
      }
      for (queue, unissued) in try JobCounts.unissued(db) { issued[queue, default: 0] -= unissued }
      return issued.filter { $0.value > 0 }
    }
  }

  /// How many jobs each worker holds.
  public func heldCounts() async throws(StoreError) -> [WorkerID: Int] {
    try await read { db in try JobCounts.held(db) }
  }
}
