#if DEBUG
  import CAllocations
  import Foundation
  import Jobs

  /// The jobs that are measured: small ones, as most are.
  enum Work {
    struct Input: Codable, Sendable {
      var path = ""
      var level = 1
    }

    struct Output: Codable, Sendable {
      var bytes: Int
    }

    static let batch = 200
    static let worker = WorkerID(rawValue: "cost-25ad8683bc3a2925")
    static let params: JSONValue = ["path": "Sources/AMQP/Connection/Session.swift", "level": 9]
    static let payload = JSONPayload(params)
    static let result: JSONPayload = ["bytes": 18_039]
    static let now = Timestamp(milliseconds: 1_700_000_000_000)

    static func type() throws -> JobTypeID { try JobTypeID("files:compress") }

    /// New jobs that are due.
    static func jobs(_ count: Int) throws -> [NewJob] {
      let type = try type()
      return (0..<count).map { _ in
        let id = JobID()
        let job = Job(
          id: id, tenantID: .zero, userID: .zero, idempotencyKey: id.uuid, type: type,
          queue: .compute, params: params, timeout: .seconds(60), retry: RetryPolicy(maxRetries: 2),
          scheduledAt: now, createdAt: now)
        return NewJob(job, submitted: params)
      }
    }

    static func claim(_ count: Int) throws -> ClaimRequest {
      ClaimRequest(worker: worker, epoch: 1, queue: .compute, count: count, types: [try type()])
    }

    static func completion(of assignment: JobAssignment) -> JobReport {
      JobReport(
        job: assignment.job, attempt: assignment.attempt, worker: worker,
        content: .ended(.completed(result: result)))
    }
  }

  /// The fewest allocations of several rounds, for one job: what else goes on in the process only adds to a round.
  struct Allocations {
    private(set) var fewest = UInt64.max

    func perJob(of count: Int = Work.batch) -> Double { Double(fewest) / Double(count) }

    mutating func count<Answer>(
      isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Answer
    ) async rethrows -> Answer {
      let before = allocations_count()
      let answer = try await body()
      fewest = min(fewest, allocations_count() - before)
      return answer
    }

    mutating func count<Answer>(_ body: () throws -> Answer) rethrows -> Answer {
      let before = allocations_count()
      let answer = try body()
      fewest = min(fewest, allocations_count() - before)
      return answer
    }
  }

  /// What cannot be measured.
  struct Unmeasurable: Error {
    let what: String
  }
#endif
