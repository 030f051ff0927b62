import Jobs
import Logging
import ServiceLifecycle

/// Tells workers what only the server knows: that there is something for one that was told to park, and that an attempt is
/// no longer locked by another job.
struct WorkerNotices: Service {
  let parked: ParkedWorkers
  let releases: AsyncStream<ChangeHub.Release>
  let store: any JobStore
  let control: WorkerControl
  let commands: PeerTasks<WorkerID>
  let log: ServerLog

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        group.addTask {
          for await wakeUp in parked.wakeUps {
            submit(to: wakeUp.worker) { await wake(wakeUp) }
          }
        }
        group.addTask {
          for await release in releases {
            let attempt = release.attempt
            submit(to: release.worker) {
              _ = await control.send(
                .released(job: attempt.job, attempt: attempt.attempt), to: release.worker)
            }
          }
        }
      }
    }
  }

  private func submit(to worker: WorkerID, _ work: @escaping @Sendable () async -> Void) {
    if !commands.submit(to: worker, work) { log.count(\.droppedCommands) }
  }

  private func wake(_ wakeUp: ParkedWorkers.WakeUp) async {
    guard await control.send(.wake(wakeUp.queue), to: wakeUp.worker) != .delivered else { return }
    // The jobs are somebody else's then, if there is somebody.
    do {
      parked.wake(for: try await store.due().filter { $0.queue == wakeUp.queue })
    } catch {
      log.count(\.storeFailures)
      log.burst(.warning, "nobody else could be woken", ["error": "\(error)"])
    }
  }
}
