import Jobs
import Logging

/// What became of a callback.
enum CallbackOutcome: Sendable {
  case done
  /// The callback's error.
  case failed(String)
  /// There is no worker to call it in.
  case nobody
  /// A worker was asked, and did not answer in time.
  case noAnswer
}

/// Calls the callbacks of job types.
protocol CallbackCalling: Sendable {
  /// - Parameter holder: the one worker that may be asked, because it has the job; any worker of the type when it is `nil`.
  func call(_ callback: JobCallback, for job: Job, in holder: WorkerID?) async -> CallbackOutcome
}

extension CallbackCalling {
  func call(_ callback: JobCallback, for job: Job) async -> CallbackOutcome {
    await call(callback, for: job, in: nil)
  }
}

/// Has callbacks called where their code is: in a worker that is alive.
struct CallbackCaller: CallbackCalling {
  let directory: WorkerDirectory
  let control: WorkerControl
  /// How long to wait for a worker's answer.
  let limit: Duration
  let logger: Logger

  func call(_ callback: JobCallback, for job: Job, in holder: WorkerID?) async -> CallbackOutcome {
    let workers = holder.map { [$0] } ?? directory.workers(of: job.type, with: callback)
    for worker in workers {
      switch await control.call(callback, job.assignment, by: worker, limit: limit) {
      case .done: return .done
      case .failed(let message): return .failed(message)
      case .unknown: return .noAnswer
      case .notCalled:
        logger.notice(
          "a worker did not call a callback, as it is gone or has none",
          metadata: ["worker": "\(worker)", "callback": "\(callback)", "job": "\(job.id)"])
      }
    }
    return .nobody
  }
}
