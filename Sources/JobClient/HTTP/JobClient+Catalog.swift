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

  /// The workers that are there.
  public func workers() async throws(JobClientError) -> WorkerList {
    try await connection.send(APIRequest(path: ["workers"])).value
  }
}
