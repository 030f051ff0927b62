public import Foundation

/// Schedules jobs: a `JobService`, a job that is running, or the tester of a test.
public protocol JobScheduling: Sendable {
  /// Hands submissions over; returns when all of them are durable.
  ///
  /// - Returns: a receipt for each, in their order.
  /// - Throws: an error that names those that may not have been taken; the same again, under the same ids, is safe.
  func submit(_ submissions: [JobSubmission]) async throws -> [JobReceipt]

  /// Where is asked what becomes of them.
  var desk: any JobDesk { get }

  /// Whose jobs are scheduled, where nobody says it.
  var tenant: UUID { get }
}

extension JobScheduling {
  public var tenant: UUID { .zero }
}

/// Answers what becomes of jobs.
public protocol JobDesk: Sendable {
  /// What time it is where the jobs are: the system clock's, but in a test.
  var now: Timestamp { get }

  /// The jobs as they are now, in the order asked; `nil` for one that is not there, or is another tenant's.
  func jobs(_ ids: [JobID], tenant: UUID) async throws -> [Job?]

  /// The job that a key has made; `nil` when there is none.
  func job(_ key: IdempotencyKey, tenant: UUID) async throws -> Job?

  /// Which job a key has made. Whoever has just scheduled it may be ahead of the server: it is waited for.
  ///
  /// - Throws: ``UnknownJob`` when there is none after a while.
  func id(of key: IdempotencyKey, tenant: UUID) async throws -> JobID

  /// Waits for a job's end. The task's cancellation ends it.
  func end(of id: JobID, tenant: UUID) async throws -> Job

  /// The job now, and after each change of its status and progress, until it is at rest. What comes faster than it is read is
  /// coalesced: the newest counts.
  func changes(of id: JobID, tenant: UUID) -> AsyncThrowingStream<Job, any Error>

  /// Ends jobs that have not ended: one that waits at once, one that runs through its worker.
  func cancel(_ cancellations: [JobCancellation]) async throws
}

extension JobDesk {
  public var now: Timestamp { .now }

  public func id(of key: IdempotencyKey, tenant: UUID) async throws -> JobID {
    guard let job = try await job(key, tenant: tenant) else { throw UnknownJob(key: key) }
    return job.id
  }
}

/// What may be said of a job besides its params. What is left out is as its type says.
public struct JobOptions: Sendable, Hashable {
  /// Two submissions with the same key (within one tenant) are one job. Made anew when it is `nil`.
  public var key: IdempotencyKey?
  /// Not before this time is it run.
  public var scheduledAt: Timestamp?
  /// How long one execution may take.
  public var timeout: Duration?
  /// What happens after a failure.
  public var retry: RetryPolicy?
  /// 0 to 9: higher ones first.
  public var priority: Int?
  /// Whose job it is; that of whoever schedules when it is `nil`.
  public var tenant: UUID?
  /// Who schedules it.
  public var user: UUID?
  /// What travels with the job to its callback, besides what middleware adds.
  public var context: [String: String]
  /// The names of webhook endpoints of the server that are to be told of the job's end, besides those that are told of all jobs of
  /// its type.
  public var webhooks: [String]

  /// Options; what is left out is as the type says.
  public init(
    key: IdempotencyKey? = nil, scheduledAt: Timestamp? = nil, timeout: Duration? = nil,
    retry: RetryPolicy? = nil, priority: Int? = nil, tenant: UUID? = nil, user: UUID? = nil,
    context: [String: String] = [:], webhooks: [String] = []
  ) {
    self.key = key
    self.scheduledAt = scheduledAt
    self.timeout = timeout
    self.retry = retry
    self.priority = priority
    self.tenant = tenant
    self.user = user
    self.context = context
    self.webhooks = webhooks
  }
}

extension JobScheduling {
  /// Schedules a job; returns when it is durable.
  ///
  /// Should this throw, nobody may know whether the job was taken. Where that matters, give a key: the same again is then the same job.
  ///
  /// - Parameters:
  ///   - params: of the job; their type says what kind it is.
  ///   - key: two with the same key (within one tenant) are one job. With other params than before, the second is refused, and stands
  ///     among the dead letters; its handle tells of the first.
  ///   - delay: how long it waits before it is due.
  ///   - options: what else there is to say.
  @discardableResult
  public func schedule<Params: JobParams>(
    _ params: Params, key: IdempotencyKey? = nil, after delay: Duration? = nil,
    options: JobOptions = JobOptions()
  ) async throws -> JobHandle<Params> {
    var options = options
    if let key { options.key = key }
    if let delay { options.scheduledAt = desk.now + delay }
    return try await schedule([params], options: options)[0]
  }

  /// Schedules several jobs at once; returns when all of them are durable.
  ///
  /// - Parameters:
  ///   - params: of each job.
  ///   - options: of each of them. They have no key in common: one that is given is that of the first, and the others'
  ///     are made from it and their place.
  /// - Returns: a handle for each, in their order.
  @discardableResult
  public func schedule<Params: JobParams>(
    _ params: [Params], options: JobOptions = JobOptions()
  ) async throws -> [JobHandle<Params>] {
    var submissions: [JobSubmission] = []
    for (place, params) in params.enumerated() {
      var options = options
      if place > 0 { options.key = options.key?.derived("\(place)") }
      submissions.append(try JobSubmission(params, options))
    }
    return try await submit(submissions).map { JobHandle($0, of: self) }
  }
}

extension JobScheduling {
  /// Schedules as many jobs as come: takes from `params` no faster than the broker confirms, with a thousand under way at most. There
  /// is no limit of time for all of them, only for each.
  ///
  /// ```swift
  /// let count = try await jobs.schedule(each: paths.map { CountWords(path: $0) })
  /// ```
  ///
  /// - Parameters:
  ///   - params: as many as come.
  ///   - options: of each of them. Of a key that is given, each gets one of its own, by its place.
  ///   - onScheduled: told of each as soon as it is durable, in no certain order; it may slow the whole down.
  /// - Returns: how many were scheduled.
  /// - Throws: what `params` or `onScheduled` throws, or why a job was not taken. What was taken by then stays.
  @discardableResult
  public func schedule<Source: AsyncSequence & Sendable>(
    each params: Source, options: JobOptions = JobOptions(),
    onScheduled: @escaping @Sendable (JobHandle<Source.Element>) async throws -> Void = { _ in }
  ) async throws -> Int where Source.Element: JobParams {
    try await withThrowingTaskGroup(of: Void.self) { group in
      var place = 0
      for try await next in params {
        // So many are under way.
        if place >= 1000 { try await group.next() }
        var options = options
        options.key = options.key?.derived("\(place)")
        group.addTask { [options] in
          try await onScheduled(try await self.schedule([next], options: options)[0])
        }
        place += 1
      }
      try await group.waitForAll()
      return place
    }
  }
}

extension JobSubmission {
  /// - Throws: ``JSONError`` when the params cannot be written as JSON.
  package init<Params: JobParams>(_ params: Params, _ options: JobOptions) throws {
    self.init(
      type: Params.job.id, params: try JSONValue(encoding: params),
      tenantID: options.tenant ?? .zero, userID: options.user ?? .zero,
      idempotencyKey: options.key,
      scheduledAt: options.scheduledAt, timeout: options.timeout,
      maxRetries: options.retry?.maxRetries, retryDelay: options.retry?.delay,
      backoff: options.retry?.backoff, maxRetryDelay: options.retry?.maxDelay,
      jitter: options.retry?.jitter, priority: options.priority, context: options.context)
    webhooks = options.webhooks
    fillOwner(tenant: options.tenant, user: options.user)
  }
}
