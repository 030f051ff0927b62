import Jobs
import ServiceLifecycle

/// Tells the worker of a locked job that it is not locked any longer: the job that held it has ended, of which only the
/// server knows.
struct ReleaseTeller: Service {
  let releases: AsyncStream<Job>
  let control: WorkerControl

  func run() async throws {
    await cancelWhenGracefulShutdown {
      for await job in releases {
        guard let worker = job.worker else { continue }
        // It is told as a courtesy: nothing depends on it.
        _ = await control.send(.released(job: job.id, attempt: job.attempt), to: worker)
      }
    }
  }
}
