import Synchronization

/// Batches by load: what gathers while one batch is in flight is the next batch. A single item goes at once.
///
/// Batches follow one another, so that items keep their order.
public final class Batcher<Item: Sendable, Answer: Sendable, Failure: Error>: Sendable {
  /// Handles one batch; answers each of its items, in their order.
  public typealias Handler = @Sendable ([Item]) async -> Result<[Answer], Failure>

  private struct Entry {
    let items: [Item]
    let bytes: Int
    let continuation: CheckedContinuation<Result<[Answer], Failure>, Never>
  }

  private struct State {
    var waiting: [Entry] = []
    var isDraining = false
  }

  private let state = Mutex(State())
  private let limit: Int
  private let byteLimit: Int
  private let size: @Sendable (Item) -> Int
  private let handler: Handler

  /// - Parameters:
  ///   - limit: the most items of one batch, unless a single caller brings more.
  ///   - byteLimit: the most bytes of one batch, unless a single caller brings more.
  ///   - size: how many bytes an item has; asked on the caller's task.
  public init(
    limit: Int, byteLimit: Int = .max, size: @escaping @Sendable (Item) -> Int = { _ in 0 },
    handler: @escaping Handler
  ) {
    self.limit = limit
    self.byteLimit = byteLimit
    self.size = size
    self.handler = handler
  }

  /// How many callers stand in line for a next batch.
  var waiting: Int { state.withLock { $0.waiting.count } }

  /// Hands in items and waits for their answers.
  public func submit(_ items: [Item]) async throws(Failure) -> [Answer] {
    guard !items.isEmpty else { return [] }
    let bytes = items.reduce(0) { $0 + size($1) }
    let result = await withCheckedContinuation { continuation in
      let mustDrain = state.withLock { state in
        state.waiting.append(Entry(items: items, bytes: bytes, continuation: continuation))
        defer { state.isDraining = true }
        return !state.isDraining
      }
      // A task of its own: a batch belongs to all who are in it, so that none of them may cancel it.
      if mustDrain { Task { await drain() } }
    }
    return try result.get()
  }

  private func drain() async {
    while let batch = nextBatch() {
      switch await handler(batch.flatMap(\.items)) {
      case .success(let answers):
        var rest = answers[...]
        for entry in batch {
          entry.continuation.resume(returning: .success(Array(rest.prefix(entry.items.count))))
          rest = rest.dropFirst(entry.items.count)
        }
      case .failure(let failure):
        for entry in batch { entry.continuation.resume(returning: .failure(failure)) }
      }
    }
  }

  private func nextBatch() -> [Entry]? {
    state.withLock { state in
      guard !state.waiting.isEmpty else {
        state.isDraining = false
        return nil
      }
      var count = 0
      var items = 0
      var bytes = 0
      for entry in state.waiting {
        items += entry.items.count
        bytes += entry.bytes
        guard count == 0 || (items <= limit && bytes <= byteLimit) else { break }
        count += 1
      }
      defer { state.waiting.removeFirst(count) }
      return Array(state.waiting.prefix(count))
    }
  }
}
