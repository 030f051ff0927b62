import Foundation
import JobMemoryStore
import Jobs

extension TesterCore: JobScheduling {
  var desk: any JobDesk { TesterDesk(core: self) }

  func submit(_ submissions: [JobSubmission]) async throws -> [JobReceipt] {
    try await submit(submissions, [])
  }

  /// Takes a job whose params have a type: should nothing run it, the type says itself what the server would know of it.
  func submit<Params: JobParams>(
    _ params: Params, _ options: JobOptions, _ faults: [JobFault]
  ) async throws -> JobReceipt {
    try know(Params.self)
    return try await submit([JobSubmission(params, options)], faults)[0]
  }

  private func know<Params: JobParams>(_ params: Params.Type) throws {
    guard state.read({ $0.types[Params.job.id] == nil }) else { return }
    let description = try Params.describe(callbacks: [])
    state.change { $0.foreign[Params.job.id] = (description, Params.job.queue) }
  }

  /// - Parameter faults: of each of them.
  func submit(
    _ submissions: [JobSubmission], _ faults: [JobFault]
  ) async throws -> [JobReceipt] {
    try checkTypes()
    return try await settings.middleware.schedule(submissions) { submissions in
      var receipts: [JobReceipt] = []
      for var submission in submissions {
        // As a service has it: should the key have made a job before, that one has another id.
        let id = submission.id ?? JobID()
        submission.id = id
        try await self.take(submission, faults)
        receipts.append(JobReceipt(submission, id: id))
      }
      return receipts
    }
  }

  func checkTypes() throws(JobTesterError) {
    let problems = state.read(\.problems)
    guard problems.isEmpty else { throw .registration(problems) }
  }

  /// Takes a job as the server does.
  private func take(
    _ submission: JobSubmission, _ faults: [JobFault]
  ) async throws(JobTesterError) {
    let job = try checked(submission)
    let isKnown =
      store.job(job.id, tenant: nil) != nil
      || store.job(idempotencyKey: job.idempotencyKey, tenant: job.tenantID) != nil
    if !isKnown {
      // Before it is there, so that whoever runs it meets them.
      state.change { state in
        let injected = state.faults.removeValue(forKey: job.type) ?? []
        state.histories[job.id, default: .init()].faults += faults + injected
      }
    }
    switch store.insert([NewJob(job, submitted: submission.params)], at: now).first {
    case .created(let job):
      note(job)
      if job.status == .initializing { try await initialize(job) }
    case .repeated(let known):
      state.change { $0.histories[known.id, default: .init()].faults += faults }
    case .conflict(let known):
      throw .conflict(
        existing: known.id, isKey: known.idempotencyKey == job.idempotencyKey)
    case .deleted: throw .deleted(job.id)
    case .unreadable, .exceeded, .unfit, nil:
      throw .unexpectedValue(job.id, "the store does not take it")
    }
  }

  private func checked(_ submission: JobSubmission) throws(JobTesterError) -> Job {
    var submission = submission
    do throws(CarriedContextError) {
      submission.context = try CarriedContext.checked(submission.context)
    } catch {
      throw .invalidContext(error)
    }
    let known = state.read { state in
      let own = state.types[submission.type].map { ($0.description, $0.group.queue) }
      return own ?? state.foreign[submission.type].map { ($0.description, $0.queue) }
    }
    let (description, queue) = known ?? (guess(submission), .compute)
    do throws(ParamsError) {
      return try submission.job(of: description, queue: queue, at: now)
    } catch {
      throw .invalidParams(submission.type, error)
    }
  }

  /// Of a type that nothing here knows, as one of another service's jobs: whatever its params are, they fit.
  private func guess(_ submission: JobSubmission) -> JobTypeDescription {
    JobTypeDescription(
      id: submission.type, description: "", timeout: .zero, retry: .never,
      params: submission.params, schema: ParamsSchema(defaults: submission.params),
      suspendable: false)
  }

  private func note(_ job: Job) {
    let parent = Self.running?.job
    state.change { state in
      state.order.append(job.id)
      guard let parent else { return }
      state.histories[job.id]?.parent = parent
      state.histories[parent, default: .init()].children.append(job.id)
    }
  }

  private func initialize(_ job: Job) async throws(JobTesterError) {
    do throws(JobTesterError) {
      try await call(.initialize, for: job)
    } catch {
      _ = store.withdraw(job.id, at: now)
      state.change { state in state.order.removeAll { $0 == job.id } }
      throw error
    }
    _ = store.apply([JobCommand(.finishInitialization, of: job.id)], at: now)
  }
}

/// Answers what becomes of the tester's jobs. Whoever waits for one outside of a callback has it run.
struct TesterDesk: JobDesk {
  let core: TesterCore

  var now: Timestamp { core.now }

  func jobs(_ ids: [JobID], tenant: UUID) async throws -> [Job?] {
    ids.map { core.store.job($0, tenant: tenant) }
  }

  func job(_ key: IdempotencyKey, tenant: UUID) async throws -> Job? {
    core.store.job(idempotencyKey: key.uuid, tenant: tenant)
  }

  func cancel(_ cancellations: [JobCancellation]) async throws {
    for cancellation in cancellations {
      let keyed = cancellation.idempotencyKey.flatMap { key in
        core.store.job(idempotencyKey: key.uuid, tenant: cancellation.tenantID)?.id
      }
      core.cancel(
        keyed ?? cancellation.job, tenant: cancellation.tenantID, reason: cancellation.reason)
    }
  }

  func end(of id: JobID, tenant: UUID) async throws -> Job {
    if TesterCore.running == nil {
      try await core.drive(.rest(of: id))
    } else {
      // Its tester runs already, and may move the time: whoever waits for a job waits for that.
      core.state.change { $0.sleepers += 1 }
      defer { core.state.change { $0.sleepers -= 1 } }
      let isOver = await core.state.wait(atMost: nil) { [core] _ in
        core.store.job(id, tenant: tenant)?.status.isFinal ?? true
      }
      guard isOver else { throw CancellationError() }
    }
    guard let job = core.store.job(id, tenant: tenant) else { throw UnknownJob(id: id) }
    guard job.status.isFinal else {
      throw JobTesterError.doesNotRun(id, job.status, "nobody resumes it")
    }
    return job
  }

  func changes(of id: JobID, tenant: UUID) -> AsyncThrowingStream<Job, any Error> {
    let isInside = TesterCore.running != nil
    return AsyncThrowingStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
      let task = Task {
        do {
          try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await watch(id, tenant) { continuation.yield($0) } }
            if !isInside { group.addTask { try await core.drive(.rest(of: id)) } }
            for try await _ in group {}
          }
          continuation.finish()
        } catch {
          continuation.finish(throwing: error)
        }
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }

  private func watch(
    _ id: JobID, _ tenant: UUID, _ tell: (Job) -> Void
  ) async throws {
    var last: Job?
    while last?.status.isAtRest != true {
      let known = last
      let isNews = await core.state.wait(atMost: nil) { [core] _ in
        core.store.job(id, tenant: tenant).map { $0 != known } ?? true
      }
      guard isNews else { throw CancellationError() }
      guard let job = core.store.job(id, tenant: tenant) else { throw UnknownJob(id: id) }
      tell(job)
      last = job
    }
  }
}
