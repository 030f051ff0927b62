import Jobs

extension JobClientError {
  /// Whether asking again may go better without anything being changed by people.
  var mayPass: Bool {
    switch self {
    case .unreachable: true
    case .problem(let problem): problem.status == 429 || problem.status >= 500
    case .invalidRequest, .unexpectedAnswer, .timedOut, .cancelled: false
    }
  }

  /// After how long the server, which does not take the request now (429 or 503), is to be asked again; `nil` for any other error,
  /// and where people have to do something first, as to start a worker.
  public var retryAfter: Duration? {
    guard case .problem(let problem) = self, problem.status == 429 || problem.status == 503,
      !["/problems/no-worker", "/problems/not-ready"].contains(problem.type)
    else { return nil }
    return max(JobClient.shortestPause, problem.retryAfter ?? .seconds(1))
  }

  /// Whether it is a limit of the tenant's own that will be taken up again, rather than something that the server lacks.
  private var isLimit: Bool {
    guard case .problem(let problem) = self else { return false }
    return problem.status == 429 || problem.type == "/problems/concurrency-exceeded"
  }

  /// Returns after the pause that the server asks for.
  ///
  /// - Parameters:
  ///   - end: when it is of no use any more.
  ///   - lastHeard: when the server last answered as it should; it may refuse for ``JobClient/longestRefusal`` then, and for a limit of
  ///     the tenant's own as long as there is time.
  /// - Throws: this error where there is nothing to wait for; ``cancelled``.
  func pauseAsAsked(
    until end: ContinuousClock.Instant, lastHeard: ContinuousClock.Instant? = nil
  ) async throws(JobClientError) {
    let clock = ContinuousClock()
    guard let pause = retryAfter else { throw self }
    let next = clock.now.advanced(by: pause)
    guard next <= end else { throw self }
    if let lastHeard, !isLimit, lastHeard.duration(to: next) > JobClient.longestRefusal {
      throw self
    }
    do {
      try await clock.sleep(until: next)
    } catch {
      throw .cancelled
    }
  }
}

extension JobClient {
  /// How long a wait goes on while the server answers that it cannot.
  static let longestRefusal = Duration.seconds(300)
}
