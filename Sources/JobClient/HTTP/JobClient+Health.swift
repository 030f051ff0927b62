import Jobs

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

extension JobClientError {
  /// Whether asking again may go better without anything being changed by people.
  fileprivate var mayPass: Bool {
    switch self {
    case .unreachable: true
    case .problem(let problem): problem.status >= 500
    case .invalidRequest, .unexpectedAnswer, .timedOut, .cancelled: false
    }
  }
}
