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

  /// Between two looks at those that could not be settled.
  static let pause = Duration.seconds(2)

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
        switch event {
        case .connected: await control.callTheRoll()
        // What was to be sent meanwhile was not.
        case .unblocked: break
        default: continue
        }
        initializer.wake()
        work.raise()
        await examineUntilSettled()
      }
    }
  }

  /// Workers may take a while to come back, or to answer.
  private func examineUntilSettled() async {
    while !Task.isCancelled {
      do {
        if try await examine() { return }
      } catch {
        logger.error("jobs could not be examined", metadata: ["error": "\(error)"])
      }
      guard (try? await Task.sleep(for: Self.pause)) != nil else { return }
    }
  }

  /// - Returns: whether all are settled.
  private func examine() async throws -> Bool {
    var isSettled = true
    let statuses = Set(JobStatus.allCases.filter { $0.isHeld || $0 == .resuming })
    var last: JobID?
    while !Task.isCancelled {
      let jobs = try await store.jobs(in: statuses, after: last, limit: Self.batchSize)
      guard let end = jobs.last else { break }
      last = end.id
      await withTaskGroup { group in
        for job in jobs where job.status.isHeld {
          group.addTask { await holders.settle(job) }
        }
        for await settled in group where !settled { isSettled = false }
      }
      let resuming = jobs.filter { $0.status == .resuming }.map(\.id)
      _ = try await store.update(resuming) { _, job in
        if job.status == .resuming { _ = job.resume(at: .now) }
      }
    }
    return isSettled
  }
}
