import Foundation
public import Jobs
import NIOHTTP1

extension JobClient {
  /// Schedules a job.
  ///
  /// When the answer is lost (``JobClientError/unreachable(server:why:)``), sending the same request again is safe.
  ///
  /// - Throws: ``JobClientError``; a problem of the type `/problems/unknown-type`, `/problems/invalid-params` or
  ///   `/problems/conflict`, say.
  @discardableResult
  public func schedule(_ request: ScheduleRequest) async throws(JobClientError) -> ScheduledJob {
    let body: Data
    do {
      body = try JSONEncoder().encode(request)
    } catch {
      throw .invalidRequest("the job cannot be written as JSON: \(error)")
    }
    let answer = try await connection.send(
      APIRequest(method: .POST, path: ["jobs"], body: body), as: Job.self)
    return ScheduledJob(job: answer.value, isNew: answer.status == .accepted)
  }

  /// Schedules a job with typed params.
  ///
  /// - Parameters:
  ///   - type: what kind of job.
  ///   - params: what encodes as a JSON object.
  ///   - options: sets what else is to be said of the job.
  @discardableResult
  public func schedule(
    _ type: JobTypeID, params: some Encodable,
    options: (inout ScheduleRequest) -> Void = { _ in }
  ) async throws(JobClientError) -> ScheduledJob {
    var request = ScheduleRequest(type: type)
    do {
      request.params = try JSONValue(encoding: params)
    } catch {
      throw .invalidRequest("the params: \(error)")
    }
    options(&request)
    return try await schedule(request)
  }

  /// A job as it is now.
  public func get(_ id: JobID) async throws(JobClientError) -> Job {
    try await connection.send(APIRequest(path: ["jobs", id.description])).value
  }

  /// What is kept of what a job logged: its newest lines.
  ///
  /// - Parameters:
  ///   - id: which job.
  ///   - number: only lines after it, as the last one of an earlier answer.
  public func log(of id: JobID, after number: Int64 = 0) async throws(JobClientError) -> JobLog {
    var request = APIRequest(path: ["jobs", id.description, "log"])
    if number > 0 { request.query = [("after", String(number))] }
    return try await connection.send(request).value
  }

  /// The job that an idempotency key has made, if any.
  public func find(idempotencyKey: IdempotencyKey) async throws(JobClientError) -> Job? {
    let query = [(name: "idempotency_key", value: idempotencyKey.description)]
    return try await connection.send(
      APIRequest(path: ["jobs"], query: query), as: JobList.self
    ).value.jobs.first
  }

  /// A part of the list of jobs. Where it goes on is its `next`, for ``JobFilter/after``.
  public func list(_ filter: JobFilter = JobFilter()) async throws(JobClientError) -> JobList {
    try await connection.send(APIRequest(path: ["jobs"], query: filter.query)).value
  }

  /// Cancels a job: one that waits is canceled at once, one that runs is told to end. Canceling a final job changes nothing.
  ///
  /// - Returns: the job after that.
  @discardableResult
  public func cancel(
    _ id: JobID, reason: String? = nil
  ) async throws(JobClientError) -> Job {
    var request = APIRequest(method: .POST, path: ["jobs", id.description, "cancel"])
    if let reason { request.query = [("reason", reason)] }
    return try await connection.send(request).value
  }

  /// Suspends a job of a suspendable type: one that waits is suspended at once, one that runs is told to end.
  ///
  /// - Returns: the job after that.
  @discardableResult
  public func suspend(_ id: JobID) async throws(JobClientError) -> Job {
    try await connection.send(
      APIRequest(method: .POST, path: ["jobs", id.description, "suspend"])
    ).value
  }

  /// Lets a suspended job run again.
  ///
  /// - Returns: the job after that.
  @discardableResult
  public func resume(_ id: JobID) async throws(JobClientError) -> Job {
    try await connection.send(
      APIRequest(method: .POST, path: ["jobs", id.description, "resume"])
    ).value
  }

  /// Does a job again that failed, was canceled or ran for too long: as a new job, whose `retryOf` names it.
  ///
  /// - Returns: the new job, or the one that was made of it before.
  /// - Throws: a problem of the type `/problems/held` when the job has not ended in that way.
  @discardableResult
  public func retry(_ id: JobID) async throws(JobClientError) -> ScheduledJob {
    let answer = try await connection.send(
      APIRequest(method: .POST, path: ["jobs", id.description, "retry"]), as: Job.self)
    return ScheduledJob(job: answer.value, isNew: answer.status == .accepted)
  }

  /// Deletes a job that no worker has.
  ///
  /// - Returns: the job as it was.
  /// - Throws: a problem of the type `/problems/held` when a worker has it.
  @discardableResult
  public func delete(
    _ id: JobID, reason: String? = nil
  ) async throws(JobClientError) -> Job {
    var request = APIRequest(method: .DELETE, path: ["jobs", id.description])
    if let reason { request.query = [("reason", reason)] }
    return try await connection.send(request).value
  }
}

extension JobClient {
  /// The most that the server lets one request wait.
  static let longestStep = Duration.seconds(60)
  /// How soon the next request may follow an answer that came before its time, as it does from a server that is stopping.
  static let shortestPause = Duration.milliseconds(250)

  /// Waits until a job is final or suspended, also while the server takes no more requests for now: it is asked again when it wants to be.
  ///
  /// - Parameters:
  ///   - id: which job.
  ///   - timeout: how long; zero asks once.
  ///   - step: after how long, at most 60 s, the server is to answer with the job as it is and is asked again.
  ///   - onAnswer: told the job after each answer that is not the last.
  /// - Throws: ``JobClientError/timedOut(_:)`` with the job as it is when the time has passed.
  public func wait(
    for id: JobID, timeout: Duration, step: Duration = .seconds(30),
    onAnswer: (Job) -> Void = { _ in }
  ) async throws(JobClientError) -> Job {
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: min(max(.zero, timeout), .longest))
    var lastHeard = clock.now
    while true {
      let asked = clock.now
      let limit = min(max(.zero, asked.duration(to: end)), step, Self.longestStep)
      let request = APIRequest(
        path: ["jobs", id.description, "wait"],
        query: [("timeout", String(Double(max(0, limit.milliseconds)) / 1000))],
        patience: max(.zero, limit))
      let job: Job
      do {
        job = try await connection.send(request, patience: .zero).value
      } catch {
        try await error.pauseAsAsked(until: end, lastHeard: lastHeard)
        continue
      }
      if job.status.isAtRest { return job }
      let answered = clock.now
      lastHeard = answered
      guard answered < end else { throw .timedOut(job) }
      onAnswer(job)
      if asked.duration(to: answered) < limit / 2 {
        do {
          try await clock.sleep(until: min(end, answered.advanced(by: Self.shortestPause)))
        } catch {
          throw .cancelled
        }
      }
    }
  }
}
