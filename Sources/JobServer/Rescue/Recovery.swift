import AMQP
import JobStore
import Jobs
import Logging
import ServiceLifecycle

/// Examines the jobs that are under way, when the server starts and each time the broker is back or takes messages
/// again: jobs of workers that are gone are settled, workers are told again what they may have missed, and what stood
/// between two statuses goes on.
struct Recovery: Service {
  /// How many jobs are looked at together (reference: `ResumeJobsOnServerStart`).
  static let batchSize = 50

  let store: StatusStore
  let examiner: HolderExaminer
  let control: WorkerControl
  let initializer: Initializer
  /// Those of the publishing connection, from its beginning.
  let events: AsyncStream<ConnectionEvent>
  let work: Signal
  let clock: any ServerClock
  let log: ServerLog

  func run() async throws {
    await cancelWhenGracefulShutdown {
      // Raised again while the jobs are looked through, it has them looked through once more.
      let again = Signal()
      await withDiscardingTaskGroup { group in
        group.addTask {
          while !Task.isCancelled {
            await again.wait(atMost: nil)
            await examineAll()
          }
        }
        for await event in events {
          switch event {
          case .connected: group.addTask { await control.callTheRoll() }
          // What was to be sent meanwhile was not.
          case .unblocked: break
          default: continue
          }
          initializer.wake()
          work.raise()
          again.raise()
        }
      }
    }
  }

  private func examineAll() async {
    _ = await clock.untilDone(.patient) { () throws(StoreError) in
      try await lookThrough()
    } failed: { error in
      log.count(\.storeFailures)
      log.burst(.error, "jobs could not be examined", ["error": "\(error)"])
    }
  }

  /// Has the held jobs examined, each worker's beside the others', and lets those go on that stand between two statuses.
  private func lookThrough() async throws(StoreError) {
    let statuses = Set(JobStatus.allCases.filter { $0.isHeld || $0 == .resuming })
    var last: JobID?
    while !Task.isCancelled {
      let jobs = try await store.jobs(in: statuses, after: last, limit: Self.batchSize)
      guard let end = jobs.last else { break }
      last = end.id
      examiner.examine(jobs)
      let resuming = jobs.filter { $0.status == .resuming }.map(\.id)
      let now = clock.now
      _ = try await store.update(resuming, leavingOut: true) { _, job in
        if job.status == .resuming { _ = job.resume(at: now) }
      }
    }
  }
}
