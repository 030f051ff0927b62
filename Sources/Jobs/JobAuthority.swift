import Synchronization

/// Who decides what a worker may run, and keeps what it reports: the server, by way of the broker or, in one process,
/// directly.
package protocol JobAuthority: Sendable {
  /// Asks for jobs.
  ///
  /// - Returns: an answer to each request, in their order.
  /// - Throws: ``AuthorityError`` when no answer came in time; ask again with ``ClaimRequest/repeated``.
  func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer]

  /// Asks to lock or unlock running jobs.
  ///
  /// - Returns: an answer for each request, in their order.
  /// - Throws: ``AuthorityError`` when no answer came in time; asking again is harmless.
  func lock(_ requests: [LockRequest]) async throws(AuthorityError) -> [LockAnswer]

  /// Hands over reports. When this returns they are durable: nothing that happens to worker or server loses them.
  ///
  /// Reports of one worker are applied in the order in which they are handed over.
  ///
  /// - Throws: ``AuthorityError`` when it is not known that they are; handing them over again is harmless.
  func report(_ reports: [JobReport]) async throws(AuthorityError)
}

/// An authority that gathers the reports and locks of all jobs of a worker into batches. Claims are sets already.
package struct BatchingAuthority<Base: JobAuthority>: JobAuthority {
  /// The most locks of one batch: one message, and one transaction of the store.
  package static var batchLimit: Int { 256 }

  /// The most reports of one batch.
  package static var reportLimit: Int { 256 }

  /// The most bytes of one batch of reports, unless a single one is larger: a result or a snapshot may have 1 MiB, and
  /// RabbitMQ takes messages of 16 MiB from 4.0 on.
  package static var reportBytes: Int { 4 << 20 }

  private let base: Base
  private let locks: Batcher<LockRequest, LockAnswer, AuthorityError>
  private let reports: Batcher<JobReport, Void, AuthorityError>

  /// - Parameters:
  ///   - base: who decides on the batches.
  ///   - onReports: told how many reports each batch had that is durable.
  package init(_ base: Base, onReports: @escaping @Sendable (Int) -> Void = { _ in }) {
    self.base = base
    locks = Batcher(limit: Self.batchLimit) { requests in
      do throws(AuthorityError) {
        return .success(try await base.lock(requests))
      } catch {
        return .failure(error)
      }
    }
    reports = Batcher(
      limit: Self.reportLimit, byteLimit: Self.reportBytes, size: { $0.sizeBound },
      handler: { reports in
        do throws(AuthorityError) {
          try await base.report(reports)
          onReports(reports.count)
          return .success(reports.map { _ in })
        } catch {
          return .failure(error)
        }
      })
  }

  package func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer] {
    try await base.claim(requests)
  }

  package func lock(_ requests: [LockRequest]) async throws(AuthorityError) -> [LockAnswer] {
    try await locks.submit(requests)
  }

  package func report(_ reports: [JobReport]) async throws(AuthorityError) {
    _ = try await self.reports.submit(reports)
  }
}

/// Batches by load: what gathers while one batch is in flight is the next batch. A single item goes at once.
///
/// Batches follow one another, so that items keep their order.
package final class Batcher<Item: Sendable, Answer: Sendable, Failure: Error>: Sendable {
  /// Handles one batch; answers each of its items, in their order.
  package typealias Handler = @Sendable ([Item]) async -> Result<[Answer], Failure>

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
  package init(
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
  package func submit(_ items: [Item]) async throws(Failure) -> [Answer] {
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

/// The authority could not be reached, or did not answer in time.
package struct AuthorityError: Error, CustomStringConvertible {
  /// Why there is no answer.
  package let description: String

  /// - Parameter description: why there is no answer.
  package init(_ description: String) {
    self.description = description
  }
}
