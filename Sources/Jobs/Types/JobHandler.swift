/// Does the work of a kind of job. What it needs besides the params, its stored properties are.
///
/// ```swift
/// struct ContactImporter<Book: AddressBook>: JobHandler {
///   let book: Book
///   …
///   func run(_ params: ImportContacts, _ job: JobContext) async throws -> ImportContacts.Result { … }
/// }
/// ```
///
/// A handler that has to look at a job while it is created, or is suspended or resumed, is a ``JobPreparing``, ``JobSuspending`` or
/// ``JobResuming`` as well.
public protocol JobHandler<Params>: Sendable {
  associatedtype Params: JobParams

  /// Does the work. An error fails the attempt; cancellation, time-out and suspension arrive as cancellation of the task that this
  /// runs in (reference: `JobWorkerExecutionCallback`). Where nothing comes of it: `return NoResult()`.
  func run(_ params: Params, _ job: JobContext) async throws -> Params.Result
}

/// A handler that is asked while a job is created, and again before it is resumed.
public protocol JobPreparing: JobHandler {
  /// Checks or prepares a job; an error refuses it (reference: `JobWorkerInitCallback`).
  func prepare(_ params: Params, _ job: JobContext) async throws
}

/// A handler that is asked before a job is suspended.
public protocol JobSuspending: JobHandler {
  /// Called within the request to suspend; an error refuses that (reference: `JobWorkerSuspendCallback`).
  func willSuspend(_ params: Params, _ job: JobContext) async throws
}

/// A handler that is asked before a job is resumed.
public protocol JobResuming: JobHandler {
  /// Called within the request to resume; an error refuses that (reference: `JobWorkerResumeCallback`).
  func willResume(_ params: Params, _ job: JobContext) async throws
}

/// A handler that is told of each status and progress.
public protocol JobObserving: JobHandler {
  /// Sees each change while the job has a worker, in that worker; nothing waits for it (reference:
  /// `JobWorkerStateUpdateCallback`).
  func stateDidChange(_ params: Params, _ state: JobState) async
}

/// Takes job types with the code that runs them: a `JobService`, or the tester of a test.
///
/// ```swift
/// func addJobs(to jobs: some JobRegistering, book: some AddressBook) {
///   jobs.on(Sweep.self) { params, job in … }
///   jobs.on(ContactImporter(book: book))
/// }
/// ```
public protocol JobRegistering {
  /// Takes a job type. What cannot be one is told when the service starts.
  func register(_ type: () throws -> RegisteredJobType)
}

extension JobRegistering {
  /// Runs jobs by a closure; what it captures is its injection.
  // A closure without a result may be either's, as far as the compiler sees: the other one is meant.
  @_disfavoredOverload
  public func on<Params: JobParams>(
    _ params: Params.Type,
    _ run: @escaping @Sendable (Params, JobContext) async throws -> Params.Result
  ) {
    on(ClosureHandler(body: run))
  }

  /// Runs jobs without a result by a closure.
  public func on<Params: JobParams>(
    _ params: Params.Type, _ run: @escaping @Sendable (Params, JobContext) async throws -> Void
  ) where Params.Result == NoResult {
    on(
      ClosureHandler<Params> { params, job in
        try await run(params, job)
        return NoResult()
      })
  }

  /// Runs jobs by a handler.
  public func on(_ handler: some JobHandler) {
    register { try RegisteredJobType(handler) }
  }

  /// Runs jobs of a type that is described where it stands, without a type of its own for its params.
  public func on<Params, Result>(_ type: JobType<Params, Result>) {
    register { RegisteredJobType(type) }
  }
}

private struct ClosureHandler<Params: JobParams>: JobHandler {
  let body: @Sendable (Params, JobContext) async throws -> Params.Result

  func run(_ params: Params, _ job: JobContext) async throws -> Params.Result {
    try await body(params, job)
  }
}

extension RegisteredJobType {
  /// The form in which a handler stands in a registry.
  ///
  /// - Throws: ``JobParamsError`` when the params make no job type.
  public init<Handler: JobHandler>(_ handler: Handler) throws {
    let preparing = (handler as? any JobPreparing).map { Self.prepare($0) }
    let suspending = (handler as? any JobSuspending).map { Self.suspend($0) }
    let resuming = (handler as? any JobResuming).map { Self.resume($0) }
    var callbacks: Set<JobCallback> = []
    if preparing != nil { callbacks.insert(.initialize) }
    if suspending != nil { callbacks.insert(.suspend) }
    if resuming != nil { callbacks.insert(.resume) }
    self.init(
      group: try Handler.Params.group(),
      description: try Handler.Params.describe(callbacks: callbacks),
      initialize: preparing,
      stateUpdate: (handler as? any JobObserving).map { Self.observe($0) },
      suspend: suspending, resume: resuming
    ) { params, job in
      try Self.payload(
        of: try await handler.run(try Self.decode(Handler.Params.self, params), job))
    }
    decide = Handler.Params.job.retry.decide
  }

  private static func prepare(_ handler: some JobPreparing) -> Callback {
    { try await handler.prepare(try decode($0), $1) }
  }

  private static func suspend(_ handler: some JobSuspending) -> Callback {
    { try await handler.willSuspend(try decode($0), $1) }
  }

  private static func resume(_ handler: some JobResuming) -> Callback {
    { try await handler.willResume(try decode($0), $1) }
  }

  private static func observe<Handler: JobObserving>(_ handler: Handler) -> StateUpdate {
    { params, state in
      // Params that do not decode have failed the job already; there is nobody left to tell.
      guard let params = try? decode(Handler.Params.self, params) else { return }
      await handler.stateDidChange(params, state)
    }
  }
}
