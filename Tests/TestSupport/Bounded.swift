/// Waits for `body`, at most for `bound`: then it is cancelled, and the result is `nil`.
public func bounded<Value: Sendable>(
  _ bound: Duration, _ body: @escaping @Sendable () async throws -> Value
) async rethrows -> Value? {
  try await withThrowingTaskGroup(of: Value?.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try? await Task.sleep(for: bound)
      return nil
    }
    defer { group.cancelAll() }
    return try await group.next() ?? nil
  }
}
