/// The workers that are there: the answer to `GET /workers`.
public struct WorkerList: Sendable, Hashable, Codable {
  public let workers: [WorkerStatus]

  public init(workers: [WorkerStatus]) {
    self.workers = workers
  }
}
