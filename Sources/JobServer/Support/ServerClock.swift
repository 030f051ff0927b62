import Jobs

/// The time, as the server's services see it; tests have one that they move themselves.
protocol ServerClock: Sendable {
  /// The wall clock.
  var now: Timestamp { get }
  /// A clock that nobody sets.
  var uptime: Duration { get }
  /// - Throws: when the task is cancelled.
  func sleep(for duration: Duration) async throws(CancellationError)
}

/// The machine's own time.
struct SystemClock: ServerClock {
  private static let start = ContinuousClock.now

  var now: Timestamp { .now }
  var uptime: Duration { ContinuousClock.now - Self.start }

  func sleep(for duration: Duration) async throws(CancellationError) {
    do {
      try await Task.sleep(for: duration)
    } catch {
      throw CancellationError()
    }
  }
}

extension ServerClock {
  /// Tries again, with longer and longer pauses, until it succeeds or the task is cancelled.
  ///
  /// - Parameter failed: told of each failure.
  /// - Returns: `nil` when the task was cancelled.
  func untilDone<Value, Failure: Error>(
    _ pauses: RetryPauses = .brief, _ body: () async throws(Failure) -> Value,
    failed: (Failure) -> Void
  ) async -> Value? {
    var failures = 0
    while !Task.isCancelled {
      do throws(Failure) {
        return try await body()
      } catch {
        failed(error)
        failures += 1
      }
      do {
        try await sleep(for: pauses.pause(after: failures))
      } catch {
        return nil
      }
    }
    return nil
  }
}

/// How long to wait before something that has failed is tried again: doubled with each failure, up to a limit.
struct RetryPauses: Sendable {
  let first: Duration
  let longest: Duration

  /// For what is mostly over in a moment.
  static let brief = RetryPauses(first: .milliseconds(500), longest: .seconds(30))
  /// For peers that may be away.
  static let patient = RetryPauses(first: .seconds(2), longest: .seconds(60))

  func pause(after failures: Int) -> Duration {
    min(longest, first * (1 << min(max(0, failures - 1), 16)))
  }
}

/// Who is left alone for a while, because the last attempt failed: each by itself.
struct RetrySchedule<Key: Hashable & Sendable>: Sendable {
  private struct Entry {
    var failures: Int
    var until: Duration
  }

  private var entries: [Key: Entry] = [:]
  private let pauses: RetryPauses

  init(_ pauses: RetryPauses) {
    self.pauses = pauses
  }

  mutating func fail(_ key: Key, at uptime: Duration) {
    let failures = (entries[key]?.failures ?? 0) + 1
    entries[key] = Entry(failures: failures, until: uptime + pauses.pause(after: failures))
  }

  mutating func succeed(_ key: Key) {
    entries[key] = nil
  }

  mutating func clear() {
    entries = [:]
  }

  /// Whether the last attempt failed.
  func isFailing(_ key: Key) -> Bool { entries[key] != nil }

  func isWaiting(_ key: Key, at uptime: Duration) -> Bool {
    entries[key].map { $0.until > uptime } ?? false
  }

  /// How long it is left alone still.
  func pause(of key: Key, at uptime: Duration) -> Duration {
    entries[key].map { max(.zero, $0.until - uptime) } ?? .zero
  }

  func waiting(at uptime: Duration) -> Set<Key> {
    Set(entries.filter { $0.value.until > uptime }.keys)
  }

  /// How long until the next of those that wait may be tried.
  func next(after uptime: Duration) -> Duration? {
    entries.values.map { $0.until - uptime }.filter { $0 > .zero }.min()
  }
}
