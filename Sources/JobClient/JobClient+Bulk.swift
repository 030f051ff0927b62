public import Foundation
public import Jobs
import NIOHTTP1

extension JobClient {
  /// How many jobs one request schedules, and about how many bytes it has: what a server takes that has not been told otherwise.
  static let mostOfBatch = 1000
  static let bytesOfBatch = 768 << 10

  /// Schedules jobs, each accepted or refused by itself, in as few requests as they fit in.
  ///
  /// When an answer is lost, sending the same requests again is safe.
  ///
  /// - Returns: what became of each, in their order.
  /// - Throws: ``JobClientError`` when a request is not answered; whatever was scheduled before it stays so.
  public func schedule(
    _ requests: [ScheduleRequest]
  ) async throws(JobClientError) -> [Result<ScheduledJob, Problem>] {
    let encoder = JSONEncoder()
    var results: [Result<ScheduledJob, Problem>] = []
    var batch: [Data] = []
    var bytes = 0
    for request in requests {
      let entry: Data
      do {
        entry = try encoder.encode(request)
      } catch {
        throw .invalidRequest("a job cannot be written as JSON: \(error)")
      }
      if batch.count == Self.mostOfBatch
        || !batch.isEmpty && bytes + entry.count > Self.bytesOfBatch
      {
        results += try await send(batch)
        batch = []
        bytes = 0
      }
      batch.append(entry)
      bytes += entry.count + 1
    }
    if !batch.isEmpty { results += try await send(batch) }
    return results
  }

  private func send(
    _ batch: [Data]
  ) async throws(JobClientError) -> [Result<ScheduledJob, Problem>] {
    let body = Data("[".utf8) + Data(batch.joined(separator: Data(",".utf8))) + Data("]".utf8)
    let answers = try await connection.send(
      APIRequest(method: .POST, path: ["jobs", "batch"], body: body), as: [BatchResult].self
    ).value
    guard answers.count == batch.count else { throw odd("\(answers.count) jobs") }
    return try answers.map { answer throws(JobClientError) in
      if let job = answer.job {
        return .success(ScheduledJob(job: job, isNew: answer.status == 202))
      }
      guard let problem = answer.problem else { throw odd("neither a job nor a problem") }
      return .failure(problem)
    }
  }

  private func odd(_ what: String) -> JobClientError {
    .unexpectedAnswer(server: connection.server.text, why: "a batch was answered with \(what)")
  }
}

extension JobClient {
  private struct BulkBody: Encodable {
    let action: BulkAction
    let filter: BulkFilter
    let reason: String?
    let rate: Double?
    let dryRun: Bool
    let idempotencyKey: IdempotencyKey?

    init(_ request: BulkRequest, key: IdempotencyKey? = nil, dryRun: Bool = false) {
      action = request.action
      filter = request.filter
      reason = request.reason
      rate = request.rate
      self.dryRun = dryRun
      idempotencyKey = key
    }

    private enum CodingKeys: String, CodingKey {
      case action, filter, reason, rate
      case dryRun = "dry_run"
      case idempotencyKey = "idempotency_key"
    }

    func request() throws(JobClientError) -> APIRequest {
      do {
        return APIRequest(
          method: .POST, path: ["jobs", "bulk"], body: try JSONEncoder().encode(self))
      } catch {
        throw .invalidRequest("the request cannot be written as JSON: \(error)")
      }
    }
  }

  /// Begins to do something to many jobs: those that are there now. It goes on by itself, whatever becomes of this client.
  ///
  /// - Parameters:
  ///   - request: what is to be done, and to which jobs.
  ///   - key: with the same key, it is the same operation; sending the same request again is safe.
  public func begin(
    _ request: BulkRequest, key: IdempotencyKey = .unique()
  ) async throws(JobClientError) -> BulkOperation {
    try await connection.send(try BulkBody(request, key: key).request()).value
  }

  /// How many jobs that would be about.
  public func preview(_ request: BulkRequest) async throws(JobClientError) -> BulkPreview {
    try await connection.send(try BulkBody(request, dryRun: true).request()).value
  }

  /// An operation on many jobs, as it is now.
  public func operation(_ id: UUID) async throws(JobClientError) -> BulkOperation {
    try await connection.send(APIRequest(path: ["operations", id.uuidString.lowercased()])).value
  }

  /// Operations, the newest first.
  ///
  /// - Parameters:
  ///   - status: only those; `nil` for any.
  ///   - page: from 1.
  ///   - pageSize: how many, at most 1,000; 50 unless it is said.
  public func operations(
    status: BulkOperation.Status? = nil, page: Int? = nil, pageSize: Int? = nil
  ) async throws(JobClientError) -> BulkOperationList {
    var query = JobFilter(page: page, pageSize: pageSize).query
    if let status { query.append(("status", status.rawValue)) }
    return try await connection.send(APIRequest(path: ["operations"], query: query)).value
  }

  /// Stops an operation; what it has done stays done.
  @discardableResult
  public func cancelOperation(_ id: UUID) async throws(JobClientError) -> BulkOperation {
    try await connection.send(
      APIRequest(method: .POST, path: ["operations", id.uuidString.lowercased(), "cancel"])
    ).value
  }

  /// Waits until an operation has ended, also while the server takes no more requests for now.
  ///
  /// - Parameters:
  ///   - id: which one.
  ///   - interval: how long after an answer it is asked again.
  ///   - onAnswer: told of the operation after each answer.
  public func wait(
    forOperation id: UUID, interval: Duration = .seconds(1),
    onAnswer: (BulkOperation) -> Void = { _ in }
  ) async throws(JobClientError) -> BulkOperation {
    while true {
      let operation: BulkOperation = try await connection.send(
        APIRequest(path: ["operations", id.uuidString.lowercased()]),
        patience: Self.longestRefusal
      ).value
      onAnswer(operation)
      guard operation.status == .running else { return operation }
      do {
        try await Task.sleep(for: interval)
      } catch {
        throw .cancelled
      }
    }
  }
}
