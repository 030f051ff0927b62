import Jobs
import Synchronization

/// The jobs whose resume callback is under way, so that two requests do not call it twice.
final class ResumeGuard: Sendable {
  private let jobs = Mutex<Set<JobID>>([])

  /// - Returns: `false` when the job is being resumed already.
  func begin(_ job: JobID) -> Bool {
    jobs.withLock { $0.insert(job).inserted }
  }

  func end(_ job: JobID) {
    _ = jobs.withLock { $0.remove(job) }
  }
}
