import Jobs
import ServiceLifecycle

/// Tells the worker of a locked job that it is not locked any longer: the job that held it has ended, of which only the
/// server knows.
struct LockReleasePublisher: Service {
  let releases: AsyncStream<Job>
  let control: WorkerControl
  let commands: PeerTasks<WorkerID>
  let log: ServerLog

  func run() async throws {
    await cancelWhenGracefulShutdown {
      for await job in releases {
        guard let worker = job.worker else { continue }
        // It is told as a courtesy: nothing depends on it.
        let isTaken = commands.submit(to: worker) {
          _ = await control.send(.released(job: job.id, attempt: job.attempt), to: worker)
        }
        if !isTaken { log.count(\.droppedCommands) }
      }
    }
  }
}
