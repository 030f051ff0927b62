public import Jobs

extension JobClient {
  /// The most that the server lets one request wait.
  static let longestStep = Duration.seconds(60)
  /// How soon the next request may follow an answer that came before its time, as it does from a server that is stopping.
  static let shortestPause = Duration.milliseconds(250)

  /// Waits until a job is final or suspended.
  ///
  /// - Parameters:
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
    while true {
      let asked = clock.now
      let limit = min(max(.zero, asked.duration(to: end)), step, Self.longestStep)
      let request = APIRequest(
        path: ["jobs", id.description, "wait"],
        query: [("timeout", String(Double(max(0, limit.milliseconds)) / 1000))],
        patience: max(.zero, limit))
      let job = try await connection.send(request, as: Job.self).value
      if job.status.isAtRest { return job }
      let answered = clock.now
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
