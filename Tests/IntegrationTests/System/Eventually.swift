import Testing

/// Waits until something outside this process has come true, which tells nobody when it does: looks again every 50 ms, for at
/// most `limit`.
func eventually(
  within limit: Duration = .seconds(30), _ what: String,
  sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
) async throws {
  let deadline = ContinuousClock.now + limit
  while ContinuousClock.now < deadline {
    if try await condition() { return }
    try await Task.sleep(for: .milliseconds(50))
  }
  Issue.record("within \(limit) it did not come true that \(what)", sourceLocation: sourceLocation)
  throw NotInTime(what: what)
}

struct NotInTime: Error {
  let what: String
}
