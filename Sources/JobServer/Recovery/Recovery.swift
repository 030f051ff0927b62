import AMQP
import JobStore
import Jobs
import Logging
import ServiceLifecycle

/// Examines the jobs that some worker has, when the server starts and each time the broker is back: jobs of workers that
/// are gone are settled, and workers are told again what they may have missed.
struct Recovery: Service {
  /// How many jobs are looked at together (reference: `ResumeJobsOnServerStart`).
  static let batchSize = 50

  let store: StatusStore
  let control: WorkerControl
  let inbox: InboxMarks
  /// Those of the publishing connection, from its beginning.
  let events: AsyncStream<ConnectionEvent>
  let work: Signal
  let poisonLimit: Int
  let logger: Logger

  func run() async throws {
    await cancelWhenGracefulShutdown {
      for await event in events {
        guard case .connected = event else { continue }
        do {
          await control.callTheRoll()
          try await examine()
          work.raise()
        } catch {
          logger.error("held jobs could not be examined", metadata: ["error": "\(error)"])
        }
      }
    }
  }

  private func examine() async throws {
    let held = Set(JobStatus.allCases.filter(\.isHeld))
    var last: JobID?
    while !Task.isCancelled {
      let jobs = try await store.jobs(in: held, after: last, limit: Self.batchSize)
      guard let end = jobs.last else { return }
      last = end.id
      await withDiscardingTaskGroup { group in
        for job in jobs { group.addTask { await settle(job) } }
      }
    }
  }

  private func settle(_ job: Job) async {
    guard let worker = job.worker else { return }
    do {
      switch await control.possession(of: job.id, by: worker) {
      case .has where job.status == .canceling:
        _ = await control.send(.cancel(job: job.id, attempt: job.attempt), to: worker)
      case .has where job.status == .suspending:
        _ = await control.send(.suspend(job: job.id, attempt: job.attempt), to: worker)
      case .has, .unknown:
        break
      case .hasNot:
        try await lose(job)
      }
    } catch {
      logger.error(
        "a job of a worker that is gone could not be settled",
        metadata: ["job": "\(job.id)", "error": "\(error)"])
    }
  }

  private func lose(_ job: Job) async throws {
    // The worker's last words may be in the inbox still.
    guard await inbox.isReadUpToNow() else { return }
    logger.notice(
      "a job's worker is gone",
      metadata: ["job": "\(job.id)", "worker": "\(job.worker?.rawValue ?? "")"])
    _ = try await store.update([job.id]) { _, current in
      // It may have been taken over meanwhile.
      guard current.attempt == job.attempt else { return }
      current.loseWorker(at: .now, poisonLimit: poisonLimit)
    }
  }
}
