import UnixSignals

/// Turns Ctrl-C into an error, so that what has been begun is finished tidily.
enum Interruption {
  /// Runs `body`; at one of the signals its task is cancelled.
  ///
  /// - Throws: ``Interrupted``, and what `body` throws.
  static func watching<Value: Sendable>(
    _ signals: [UnixSignal] = [.sigint], _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    let signals = await UnixSignalsSequence(trapping: signals)
    return try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        for await _ in signals { break }
        return nil
      }
      defer { group.cancelAll() }
      guard let first = try await group.next(), let value = first else { throw Interrupted() }
      return value
    }
  }
}
