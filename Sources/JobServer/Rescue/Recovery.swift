import AMQP
import JobStore
import Jobs
import Logging
import ServiceLifecycle

/// Examines the jobs that are under way, when the server starts and each time the broker is back: jobs of workers that are
/// gone are settled, workers are told again what they may have missed, and what stood between two statuses goes on.
struct Recovery: Service {
  /// How many jobs are looked at together (reference: `ResumeJobsOnServerStart`).
  static let batchSize = 50

  let store: StatusStore
  let holders: HolderCheck
  let control: WorkerControl
  let initializer: Initializer
  /// Those of the publishing connection, from its beginning.
  let events: AsyncStream<ConnectionEvent>
  let work: Signal
  let logger: Logger

  func run() async throws {
    await cancelWhenGracefulShutdown {
      for await event in events {
        guard case .connected = event else { continue }
        do {
          await control.callTheRoll()
          try await examine()
        } catch {
          logger.error("jobs could not be examined", metadata: ["error": "\(error)"])
        }
        initializer.wake()
        work.raise()
      }
    }
  }

  private func examine() async throws {
    let statuses = Set(JobStatus.allCases.filter { $0.isHeld || $0 == .resuming })
    var last: JobID?
    while !Task.isCancelled {
      let jobs = try await store.jobs(in: statuses, after: last, limit: Self.batchSize)
      guard let end = jobs.last else { return }
      last = end.id
      await withDiscardingTaskGroup { group in
        for job in jobs where job.status.isHeld {
          group.addTask { await holders.settle(job) }
        }
      }
      let resuming = jobs.filter { $0.status == .resuming }.map(\.id)
      _ = try await store.update(resuming) { _, job in
        if job.status == .resuming { _ = job.resume(at: .now) }
      }
    }
  }
}
