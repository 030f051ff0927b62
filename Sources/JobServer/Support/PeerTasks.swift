import ServiceLifecycle
import Synchronization

/// Work that waits for peers: what is for one peer is done in its order, and beside what is for the others, so that one
/// that does not answer holds up nobody else, nor whoever hands the work in.
final class PeerTasks<Peer: Hashable & Sendable>: Service {
  typealias Work = @Sendable () async -> Void

  private let limit: Int
  private let waiting = Mutex<[Peer: [Work]]>([:])
  private let starts: AsyncStream<Peer>
  private let start: AsyncStream<Peer>.Continuation

  /// - Parameter limit: how much may wait for one peer.
  init(limit: Int) {
    self.limit = limit
    (starts, start) = AsyncStream.makeStream()
  }

  /// - Returns: `false` when too much waits for that peer already; then it is not done.
  func submit(to peer: Peer, _ work: @escaping Work) -> Bool {
    let (isTaken, isFirst) = waiting.withLock { waiting in
      guard let line = waiting[peer] else {
        waiting[peer] = [work]
        return (true, true)
      }
      guard line.count < limit else { return (false, false) }
      waiting[peer]?.append(work)
      return (true, false)
    }
    if isFirst { start.yield(peer) }
    return isTaken
  }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        for await peer in self.starts {
          group.addTask { while let work = self.next(peer) { await work() } }
        }
      }
    }
  }

  private func next(_ peer: Peer) -> Work? {
    waiting.withLock { waiting in
      guard let line = waiting[peer], !line.isEmpty, !Task.isCancelled else {
        waiting[peer] = nil
        return nil
      }
      return waiting[peer]?.removeFirst()
    }
  }
}

/// Tells of what happens often, for as long as the server runs.
struct LogService: Service {
  let log: ServerLog

  func run() async throws {
    await cancelWhenGracefulShutdown { await log.run() }
  }
}

/// Wakes one waiting task. Raising it any number of times before it is waited for wakes once.
final class Signal: Sendable {
  private struct State {
    var isRaised = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  func raise() {
    let waiter = state.withLock { state in
      let waiter = state.waiter.take()
      if waiter == nil { state.isRaised = true }
      return waiter
    }
    waiter?.resume()
  }

  /// Waits until it is raised, the task is cancelled, or the time has passed; `nil` waits without limit.
  ///
  /// Only one task may wait at a time.
  func wait(atMost limit: Duration?, clock: any ServerClock = SystemClock()) async {
    guard let limit else { return await wait() }
    await withTaskGroup { group in
      group.addTask { await self.wait() }
      // Ends early when it is cancelled, which is all that can go wrong with a sleep.
      group.addTask { try? await clock.sleep(for: limit) }
      await group.next()
      group.cancelAll()
    }
  }

  private func wait() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let goesOn = state.withLock { state in
          if state.isRaised || Task.isCancelled {
            state.isRaised = false
            return true
          }
          state.waiter = continuation
          return false
        }
        if goesOn { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiter.take() }?.resume()
    }
  }
}
