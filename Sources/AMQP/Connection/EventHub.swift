import Synchronization

/// Hands events to any number of listeners. One that does not keep up loses the oldest.
final class EventHub: Sendable {
  private static let backlog = 256

  private struct State {
    var nextID: UInt64 = 0
    var listeners: [UInt64: AsyncStream<ConnectionEvent>.Continuation] = [:]
    var finished = false
  }

  private let state = Mutex(State())

  func listen() -> AsyncStream<ConnectionEvent> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: ConnectionEvent.self, bufferingPolicy: .bufferingNewest(Self.backlog))
    let id = state.withLock { state -> UInt64? in
      guard !state.finished else { return nil }
      state.nextID += 1
      state.listeners[state.nextID] = continuation
      return state.nextID
    }
    guard let id else {
      continuation.finish()
      return stream
    }
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { $0.listeners[id] = nil }
    }
    return stream
  }

  func emit(_ event: ConnectionEvent) {
    let listeners = state.withLock { Array($0.listeners.values) }
    for listener in listeners { listener.yield(event) }
  }

  func finish() {
    // Outside the lock: finishing calls the termination handler, which takes it.
    let listeners = state.withLock { state in
      state.finished = true
      defer { state.listeners = [:] }
      return Array(state.listeners.values)
    }
    for listener in listeners { listener.finish() }
  }
}
