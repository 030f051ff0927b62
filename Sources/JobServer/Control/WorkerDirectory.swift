import Jobs
import Synchronization

/// The workers that have announced themselves and are not known to be gone.
final class WorkerDirectory: Sendable {
  private let workers = Mutex<[WorkerID: WorkerAnnouncement]>([:])

  func add(_ announcement: WorkerAnnouncement) {
    workers.withLock { $0[announcement.worker] = announcement }
  }

  func contains(_ worker: WorkerID) -> Bool {
    workers.withLock { $0[worker] != nil }
  }

  func remove(_ worker: WorkerID) {
    _ = workers.withLock { $0.removeValue(forKey: worker) }
  }

  /// Those that have a callback of a job type, in any order.
  func workers(of type: JobTypeID, with callback: JobCallback) -> [WorkerID] {
    workers.withLock { workers in
      workers.values.filter { announcement in
        announcement.types.contains { $0.id == type && $0.callbacks.contains(callback) }
      }.map(\.worker)
    }.shuffled()
  }

  /// How many jobs of a queue the workers can run together.
  func capacity(for queue: JobQueueName) -> Int {
    workers.withLock { workers in
      workers.values.flatMap(\.queues).filter { $0.name == queue }.map(\.capacity).reduce(0, +)
    }
  }

  var all: [WorkerAnnouncement] {
    workers.withLock { $0.values.sorted { $0.worker.rawValue < $1.worker.rawValue } }
  }
}
