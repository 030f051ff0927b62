public import Jobs
import NIOHTTP1

extension JobClient {
  /// A page of job types, in the order of their ids.
  public func types(
    page: Int? = nil, pageSize: Int? = nil
  ) async throws(JobClientError) -> JobTypeList {
    let query = JobFilter(page: page, pageSize: pageSize).query
    return try await connection.send(APIRequest(path: ["job_types"], query: query)).value
  }

  /// One job type.
  ///
  /// - Throws: a problem of the type `/problems/not-found`, which names the known ones.
  public func type(_ id: JobTypeID) async throws(JobClientError) -> JobTypeDescription {
    try await connection.send(APIRequest(path: ["job_types", id.description])).value
  }

  /// A page of job groups, in the order of their names.
  public func groups(
    page: Int? = nil, pageSize: Int? = nil
  ) async throws(JobClientError) -> JobGroupList {
    let query = JobFilter(page: page, pageSize: pageSize).query
    return try await connection.send(APIRequest(path: ["job_groups"], query: query)).value
  }

  /// All job queues, with how much waits and runs.
  public func queues() async throws(JobClientError) -> QueueList {
    try await connection.send(APIRequest(path: ["queues"])).value
  }

  /// Prunes jobs that ended longer ago than the server keeps them, of all tenants, for a few seconds; the server does so by itself
  /// every few minutes.
  ///
  /// - Parameter dryRun: whether it is only counted what would go.
  /// - Returns: what has gone, and whether there is more of it.
  @discardableResult
  public func prune(dryRun: Bool = false) async throws(JobClientError) -> PruneReport {
    let query = dryRun ? [(name: "dry_run", value: "true")] : []
    return try await connection.send(
      APIRequest(method: .POST, path: ["prune"], query: query)
    ).value
  }

  /// The webhook endpoints that are told of the caller's jobs, or that they can name.
  public func webhooks() async throws(JobClientError) -> WebhookList {
    try await connection.send(APIRequest(path: ["webhooks"])).value
  }

  /// Sends something to a webhook endpoint that tells of no job, once.
  ///
  /// - Returns: the job that sends it.
  public func testWebhook(_ name: String) async throws(JobClientError) -> Job {
    try await connection.send(APIRequest(method: .POST, path: ["webhooks", name, "test"])).value
  }

  /// The workers that are there.
  public func workers() async throws(JobClientError) -> WorkerList {
    try await connection.send(APIRequest(path: ["workers"])).value
  }
}

extension JobClient {
  private struct Health: Decodable {
    let status: String
  }

  /// Returns when the server answers at all.
  public func health() async throws(JobClientError) {
    _ = try await connection.send(APIRequest(path: ["healthz"]), as: Health.self)
  }

  /// Returns when the server can accept jobs and hand them out.
  ///
  /// - Throws: a problem of the type `/problems/not-ready`, which says what is missing.
  public func ready() async throws(JobClientError) {
    _ = try await connection.send(APIRequest(path: ["readyz"]), as: Health.self)
  }

  /// Waits until the server is there and ready, which nothing but asking again can tell.
  ///
  /// - Parameters:
  ///   - timeout: how long; zero asks once.
  ///   - interval: how long after an answer it is asked again.
  /// - Throws: what the last answer was when the time has passed.
  public func waitUntilReady(
    timeout: Duration, interval: Duration = .milliseconds(250)
  ) async throws(JobClientError) {
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: min(max(.zero, timeout), .longest))
    while true {
      do {
        return try await ready()
      } catch {
        guard clock.now < end, error.mayPass else { throw error }
      }
      do {
        try await clock.sleep(until: min(end, clock.now.advanced(by: interval)))
      } catch {
        throw .cancelled
      }
    }
  }
}
