/// The workers that are there: the answer to `GET /workers`.
public struct WorkerList: Sendable, Hashable, Codable {
  /// All workers that are there.
  public let workers: [WorkerStatus]

  /// The workers; what a server answers with.
  public init(workers: [WorkerStatus]) {
    self.workers = workers
  }
}
