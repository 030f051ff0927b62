import JobStore
import Jobs
import Logging

/// Finds out whether the worker of a job still has it, and settles the job when it has not.
struct HolderCheck: Sendable {
  let store: StatusStore
  let control: WorkerControl
  let inbox: InboxMarks
  let poisonLimit: Int
  let logger: Logger

  /// - Returns: `false` when it could not be found out now.
  @discardableResult
  func settle(_ job: Job) async -> Bool {
    guard job.status.isHeld, let worker = job.worker else { return true }
    do {
      switch await control.possession(of: job.id, by: worker) {
      case .has:
        await remind(worker, of: job)
        return true
      case .hasNot:
        return try await lose(job)
      case .unknown:
        return false
      }
    } catch {
      logger.error(
        "a job of a worker that is gone could not be settled",
        metadata: ["job": "\(job.id)", "error": "\(error)"])
      return false
    }
  }

  /// The worker may have missed what it was told.
  private func remind(_ worker: WorkerID, of job: Job) async {
    switch job.status {
    case .canceling: _ = await control.send(.cancel(job: job.id, attempt: job.attempt), to: worker)
    case .suspending:
      _ = await control.send(.suspend(job: job.id, attempt: job.attempt), to: worker)
    default: break
    }
  }

  private func lose(_ job: Job) async throws -> Bool {
    // The worker's last words may be in the inbox still.
    guard await inbox.isReadUpToNow() else { return false }
    let lost = try await store.update([job.id]) { _, current in
      // It may have been taken over, or have ended, meanwhile.
      guard current.attempt == job.attempt, current.status.isHeld else { return false }
      current.loseWorker(at: .now, poisonLimit: poisonLimit)
      return true
    }
    if lost.first == true {
      logger.notice(
        "a job's worker is gone",
        metadata: ["job": "\(job.id)", "worker": "\(job.worker?.rawValue ?? "")"])
    }
    return true
  }
}
