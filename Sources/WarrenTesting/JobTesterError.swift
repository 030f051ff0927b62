/// Why a test cannot go on as it was written. How a job ends is none of these: see ``JobRecord/status``.
public enum JobTesterError: Error, Sendable, CustomStringConvertible {
  /// What was registered cannot be registered: all that is wrong.
  case registration([String])
  /// The job's type has no handler that would run it.
  case noHandler(JobTypeID, registered: [JobTypeID])
  /// The params do not fit the type: the server refuses such a job.
  case invalidParams(JobTypeID, ParamsError)
  /// The context is not what it has to be: the server refuses such a job.
  case invalidContext(CarriedContextError)
  /// The key (or the id) belongs to a job of another type, or with other params.
  case conflict(existing: JobID, isKey: Bool)
  /// There was a job of that id, and it has been deleted.
  case deleted(JobID)
  /// The handler's `prepare` has refused the job.
  case refused(JobTypeID, String)
  /// There is no such job.
  case unknownJob(JobID)
  /// The job's type has no suspending.
  case notSuspendable(JobTypeID)
  /// The job's status forbids what was asked.
  case rejected(JobID, StatusTransitionError)
  /// A callback has thrown, and the job is as it was.
  case callbackFailed(JobTypeID, JobCallback, String)
  /// A callback has something to do, and does not come to an end or to a point where it waits.
  case busy([JobID], patience: Duration)
  /// Callbacks wait for something that is not the tester's.
  case waitsForOutside([JobID], patience: Duration)
  /// A callback goes on after its worker was killed.
  case outlivesItsWorker([JobID], patience: Duration)
  /// A job is run again and again.
  case tooManyAttempts(JobID, JobTypeID, Int, last: String)
  /// Time goes on and on, and the job does not end.
  case tooMuchTime(JobID?, passed: Duration)
  /// A job cannot come to its end by itself.
  case doesNotRun(JobID, JobStatus, String)
  /// A fault cannot happen to the job.
  case impossibleFault(JobID, String)
  /// The worker cannot do its work, as a callback has said by `WorkerTrouble`.
  case workerTrouble(String)
  /// What is stored of the job is not what its type says.
  case unexpectedValue(JobID, String)

  public var description: String {
    switch self {
    case .registration(let problems):
      "the job types cannot be registered: " + problems.joined(separator: "; ")
    case .noHandler(let type, let registered):
      "no handler runs jobs of the type \(type); "
        + (registered.isEmpty
          ? "none is registered"
          : "registered are \(registered.map(\.description).sorted().joined(separator: ", "))")
        + ". Register one with `on(…)` before jobs are run"
    case .invalidParams(let type, let error): "the params of \(type) do not fit: \(error)"
    case .invalidContext(let error): error.description
    case .conflict(let existing, let isKey):
      "the \(isKey ? "idempotency key" : "id") belongs to job \(existing), which has another type or other params"
    case .deleted(let id): "job \(id) has been deleted; a new job takes a new id"
    case .refused(let type, let message):
      "the init callback of \(type) refuses the job: \(message)"
    case .unknownJob(let id): "there is no job \(id)"
    case .notSuspendable(let type):
      "jobs of the type \(type) cannot be suspended; the type would have to be declared as suspendable"
    case .rejected(let id, let error): "job \(id): \(error)"
    case .callbackFailed(let type, let callback, let message):
      "the \(callback.rawValue) callback of \(type) has failed, and the job is as it was: \(message)"
    case .busy(let jobs, let patience):
      "\(Self.list(jobs)) neither ended nor waited within \(patience) of the machine's time; the code may block its thread,"
        + " or need more `patience`"
    case .waitsForOutside(let jobs, let patience):
      "\(Self.list(jobs)) waited for \(patience) of the machine's time for something that is not the tester's. If that is time"
        + " (`Task.sleep`), let the code sleep on `tester.clock`, or move the clock with `advance(by:)` to meet its time-out"
    case .outlivesItsWorker(let jobs, let patience):
      "\(Self.list(jobs)) has not ended within \(patience) of the machine's time, though its worker was killed and its task cancelled"
    case .tooManyAttempts(let id, let type, let count, let last):
      "job \(id) of \(type) has been run \(count) times and does not end; it waits again because: \(last)"
    case .tooMuchTime(let id, let passed):
      (id.map { "job \($0) has not ended" } ?? "what runs has not ended")
        + " though \(passed) have passed on the tester's clock; it may sleep in an endless loop"
    case .doesNotRun(let id, let status, let why): "job \(id) is \(status.rawValue), and \(why)"
    case .impossibleFault(let id, let why): "a fault cannot happen to job \(id): \(why)"
    case .workerTrouble(let reason):
      "a callback says that its worker cannot do its work: \(reason)"
    case .unexpectedValue(let id, let why): "job \(id): \(why)"
    }
  }

  private static func list(_ jobs: [JobID]) -> String {
    let names = Set(jobs).sorted().map(\.description)
    return names.count == 1
      ? "the callback of job \(names[0])" : "callbacks of the jobs \(names.joined(separator: ", "))"
  }
}
