/// What is done around every job, where it is scheduled and where it runs: metrics, tracing, logging, and an application's own.
///
/// Middleware is called in the order in which it was given, the first outermost. Each passes on to the next, with what it has
/// changed, and sees what comes back.
public protocol JobMiddleware: Sendable {
  /// Around scheduling; many jobs may be scheduled at once.
  ///
  /// - Parameters:
  ///   - submissions: the jobs; they may be changed.
  ///   - next: schedules them, and returns when they are durable.
  /// - Returns: a receipt for each, in their order.
  func schedule(
    _ submissions: [JobSubmission], next: @Sendable ([JobSubmission]) async throws -> [JobReceipt]
  ) async throws -> [JobReceipt]

  /// Around the execution of one attempt.
  ///
  /// - Parameters:
  ///   - job: the attempt's.
  ///   - type: what everyone knows of the job's type.
  ///   - next: runs the job; its result as JSON, `nil` when there is none.
  func execute(
    _ job: JobContext, of type: JobTypeDescription,
    next: @Sendable (JobContext) async throws -> JSONPayload?
  ) async throws -> JSONPayload?

  /// Told of what a service does for many jobs at once. It must not wait: the service does.
  func observe(_ event: JobServiceEvent)
}

/// What a service does for many jobs at once, or for none of them alone.
public enum JobServiceEvent: Sendable, Hashable {
  /// A connection to the broker is there again after a loss: `publishing` or `consuming`.
  case reconnected(connection: String)
  /// A claim was answered with so many jobs of a queue, at least one.
  case claimed(jobs: Int, queue: JobQueueName)
  /// So many reports were handed over to the server at once.
  case reported(reports: Int)
}

extension JobMiddleware {
  public func schedule(
    _ submissions: [JobSubmission], next: @Sendable ([JobSubmission]) async throws -> [JobReceipt]
  ) async throws -> [JobReceipt] {
    try await next(submissions)
  }

  public func execute(
    _ job: JobContext, of type: JobTypeDescription,
    next: @Sendable (JobContext) async throws -> JSONPayload?
  ) async throws -> JSONPayload? {
    try await next(job)
  }

  public func observe(_ event: JobServiceEvent) {}
}

extension RegisteredJobType {
  /// The same, with middleware around its execution, the first outermost.
  package func wrapped(in middleware: [any JobMiddleware]) -> RegisteredJobType {
    var wrapped = self
    for layer in middleware.reversed() {
      let inner = wrapped.execute
      wrapped.execute = { [description] params, job in
        try await layer.execute(job, of: description) { try await inner(params, $0) }
      }
    }
    return wrapped
  }
}

extension [any JobMiddleware] {
  /// Schedules through all of them.
  package func schedule(
    _ submissions: [JobSubmission],
    _ last: @escaping @Sendable ([JobSubmission]) async throws -> [JobReceipt]
  ) async throws -> [JobReceipt] {
    var next = last
    for layer in reversed() {
      let inner = next
      next = { try await layer.schedule($0, next: inner) }
    }
    return try await next(submissions)
  }

  /// Tells all of them.
  package func observe(_ event: JobServiceEvent) {
    for layer in self { layer.observe(event) }
  }
}
