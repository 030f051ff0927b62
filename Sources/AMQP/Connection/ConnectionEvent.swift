import Synchronization

/// What happens to a ``Connection``, for whoever listens.
public enum ConnectionEvent: Sendable, Hashable {
  /// Connected, topology declared, consumers subscribed (what was refused is told by itself). Connections are numbered 1, 2, 3 …
  case connected(generation: UInt64)
  /// The connection was lost, or could not be made. Another attempt follows, unless
  /// ``Connection/run()`` ends.
  case disconnected(AMQPError)
  /// The broker is short of memory or disk and takes no publications for now; its reason.
  case blocked(reason: String)
  /// The broker takes publications again.
  case unblocked
  /// The broker refuses something of the topology on a new connection (what it is, and the reason):
  /// it is tried again by itself, and told of once until it is accepted.
  case declarationRefused(String, AMQPError)
  /// A subscription was lost, or cannot be made for now; it is tried again. (A failure that trying
  /// again cannot heal ends the ``Consumer`` instead.)
  case resubscribing(queue: String, AMQPError)
}

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
