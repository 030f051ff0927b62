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
