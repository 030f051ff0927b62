import AMQP
import Jobs
import Logging
import ServiceLifecycle

/// Looks at what is under way, when the server starts and each time the broker is back or takes messages again: every
/// worker that the store knows is checked and watched, and jobs that stood between two statuses go on.
struct Recovery: Service {
  /// How many jobs are looked at together (reference: `ResumeJobsOnServerStart`).
  static let batchSize = 50

  let store: any JobStore
  let workers: WorkerCheck
  let leases: any LeaseWatching
  let control: WorkerControl
  let initializer: Initializer
  /// Those of the publishing connection, from its beginning.
  let events: AsyncStream<ConnectionEvent>
  let plan: DispatchPlan
  /// Has the tickets of all queues counted.
  let reconcile: Signal
  let clock: any ServerClock
  let log: ServerLog

  func run() async throws {
    await cancelWhenGracefulShutdown {
      // Raised again while the store is looked through, it has it looked through once more.
      let again = Signal()
      await withDiscardingTaskGroup { group in
        group.addTask {
          while !Task.isCancelled {
            await again.wait(atMost: nil)
            await lookThrough()
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
          plan.wake()
          reconcile.raise()
          again.raise()
        }
      }
    }
  }

  private func lookThrough() async {
    _ = await clock.untilDone(.patient) { () throws(StoreError) in
      for worker in try await store.workers() {
        workers.check(worker)
        leases.watch(worker)
      }
      try await resume()
    } failed: { error in
      log.count(\.storeFailures)
      log.burst(.error, "what is under way could not be looked at", ["error": "\(error)"])
    }
  }

  private func resume() async throws(StoreError) {
    var last: JobID?
    while !Task.isCancelled {
      let jobs = try await store.jobs(in: [.resuming], after: last, limit: Self.batchSize)
      guard let end = jobs.last else { break }
      last = end.id
      _ = try await store.apply(jobs.map { JobCommand(.resume, of: $0.id) }, at: clock.now)
    }
  }
}
