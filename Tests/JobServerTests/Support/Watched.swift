import Foundation
import Synchronization

/// A state that a test can wait on: until something is true of it, or too long has passed.
final class Watched<State: Sendable>: Sendable {
  private struct Box {
    var state: State
    var watchers: [UUID: AsyncStream<Void>.Continuation] = [:]
  }

  struct Overdue: Error, CustomStringConvertible {
    let what: String
    let state: State
    var description: String { "it never came to this: \(what); it stands at \(state)" }
  }

  private let box: Mutex<Box>

  init(_ state: State) {
    box = Mutex(Box(state: state))
  }

  var value: State { box.withLock { $0.state } }

  @discardableResult
  func update<Answer>(_ change: (inout State) -> Answer) -> Answer {
    let (answer, watchers) = box.withLock { box in
      (change(&box.state), Array(box.watchers.values))
    }
    for watcher in watchers { watcher.yield() }
    return answer
  }

  func until(
    _ what: String, within limit: Duration = .seconds(30),
    _ condition: @escaping @Sendable (State) -> Bool
  ) async throws {
    let (stream, continuation) = AsyncStream.makeStream(
      of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let id = UUID()
    box.withLock { $0.watchers[id] = continuation }
    defer { box.withLock { $0.watchers[id] = nil } }
    continuation.yield()
    let isSo = await withTaskGroup { group in
      group.addTask {
        for await _ in stream where condition(self.value) { return true }
        return false
      }
      group.addTask {
        try? await Task.sleep(for: limit)
        return false
      }
      let isSo = await group.next() ?? false
      group.cancelAll()
      return isSo
    }
    guard isSo else { throw Overdue(what: what, state: value) }
  }
}
