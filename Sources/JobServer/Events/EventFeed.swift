import Foundation
import Jobs
import Synchronization

/// What the readers of the transition log share: its newest part, which is read once for all of them, and who is to be woken when
/// it grows.
///
/// A reader takes what follows its place whenever it can take more: nothing waits here for it, so that a slow one only falls
/// behind, and reads from the store what is no longer here. While nobody reads, nothing is kept.
final class EventFeed: Sendable {
  private struct State {
    var readers: [Int: StreamWake] = [:]
    var followers: [JobID: [Int: StreamWake]] = [:]
    var lastNumber = 0
    /// `nil` until some reader has come to the end of the log.
    var newest: NewestEvents?
  }

  /// How many transitions are looked at by one read of the store.
  static let pageSize = 1000

  /// Raised when the log may have grown, or a reader has come to its end.
  let news = Signal()
  private let state = Mutex(State())

  /// How many read the log.
  var readerCount: Int { state.withLock { $0.readers.count } }
  /// How many follow single jobs.
  var followerCount: Int { state.withLock { $0.followers.values.reduce(0) { $0 + $1.count } } }

  // MARK: Being told

  /// A transaction has added to the log.
  func noteGrowth() {
    if state.withLock({ !$0.readers.isEmpty }) { news.raise() }
  }

  /// Something has become of these jobs.
  func note(_ jobs: some Sequence<JobID>) {
    let wakes = state.withLock { state -> [StreamWake] in
      guard !state.followers.isEmpty else { return [] }
      return jobs.flatMap { state.followers[$0]?.values.map(\.self) ?? [] }
    }
    for wake in wakes { wake.raise() }
  }

  // MARK: Listening

  /// Wakes a reader whenever the log has grown, from now on until the subscription is let go.
  func subscribe(_ wake: StreamWake) -> Subscription {
    let number = state.withLock { state in
      state.lastNumber += 1
      state.readers[state.lastNumber] = wake
      return state.lastNumber
    }
    return Subscription { [weak self] in
      self?.state.withLock { state in
        state.readers[number] = nil
        if state.readers.isEmpty { state.newest = nil }
      }
    }
  }

  /// Wakes a reader whenever something becomes of a job, be it progress.
  func follow(_ job: JobID, _ wake: StreamWake) -> Subscription {
    let number = state.withLock { state in
      state.lastNumber += 1
      state.followers[job, default: [:]][state.lastNumber] = wake
      return state.lastNumber
    }
    return Subscription { [weak self] in
      self?.state.withLock { state in
        state.followers[job]?[number] = nil
        if state.followers[job]?.isEmpty == true { state.followers[job] = nil }
      }
    }
  }

  /// Ends with its last reference.
  final class Subscription: Sendable {
    private let end: @Sendable () -> Void

    fileprivate init(_ end: @escaping @Sendable () -> Void) {
      self.end = end
    }

    deinit { end() }
  }

  // MARK: Reading

  /// What follows a place in the log. Nothing, at the same place, where that is its end; a subscription wakes when there is more.
  func read(
    after position: Int64, matching filter: EventFilter, limit: Int, from store: any JobStore
  ) async throws(StoreError) -> EventPage {
    if let page = state.withLock({ state in
      state.newest?.page(after: position, matching: filter, limit: limit)
    }) {
      return page
    }
    let page = try await store.events(
      after: position, matching: filter, limit: Self.pageSize)
    if page.isEnd, begin(at: page.position) { news.raise() }
    return page
  }

  /// The end of the log is known: what is added to it is kept from there on.
  private func begin(at position: Int64) -> Bool {
    state.withLock { state in
      guard state.newest == nil, !state.readers.isEmpty else { return false }
      state.newest = NewestEvents(after: position)
      return true
    }
  }

  /// Reads what was added to the log, and wakes the readers.
  ///
  /// - Returns: whether there is more.
  func catchUp(from store: any JobStore) async throws(StoreError) -> Bool {
    guard let position = state.withLock({ $0.newest?.position }) else { return false }
    let page = try await store.events(
      after: position, matching: EventFilter(), limit: Self.pageSize)
    let wakes = state.withLock { state -> [StreamWake] in
      // Everybody may have gone meanwhile, and others come.
      guard state.newest?.position == position else { return [] }
      state.newest?.append(page)
      return Array(state.readers.values)
    }
    if page.position > position || !page.removed.isEmpty {
      for wake in wakes { wake.raise() }
    }
    return !page.isEnd
  }
}

/// The newest part of the transition log: all that was added after a place, as far as it has been read.
struct NewestEvents: Sendable {
  /// How many are kept, and about how many bytes.
  static let most = 10_000
  static let mostBytes = 8 << 20

  /// What follows this number is here.
  private(set) var base: Int64
  /// Up to this number.
  private(set) var position: Int64
  private var events: [LoggedEvent] = []
  private var bytes = 0
  private var removed: [UUID: Int64] = [:]

  init(after position: Int64) {
    base = position
    self.position = position
  }

  var count: Int { events.count }

  /// - Parameter page: what follows ``position``.
  mutating func append(_ page: EventPage) {
    position = page.position
    events += page.events
    bytes += page.events.reduce(0) { $0 + $1.bytes }
    removed.merge(page.removed) { max($0, $1) }
    guard events.count > Self.most || bytes > Self.mostBytes else { return }
    // To three quarters, so that it is done seldom.
    var excess = 0
    while events.count - excess > Self.most * 3 / 4 || bytes > Self.mostBytes * 3 / 4 {
      bytes -= events[excess].bytes
      base = events[excess].event.sequence
      excess += 1
    }
    events.removeFirst(excess)
    removed = removed.filter { $0.value > base }
  }

  /// What follows a place; `nil` where that is no longer here.
  ///
  /// - Parameter limit: the most transitions; of more bytes than a page may have it ends earlier.
  func page(after place: Int64, matching filter: EventFilter, limit: Int) -> EventPage? {
    guard place >= base else { return nil }
    guard place < position else {
      return EventPage(
        events: [], position: place, isEnd: true, removed: removed(after: place, filter))
    }
    var page = EventPage(
      events: [], position: position, isEnd: true, removed: removed(after: place, filter))
    var bytes = 0
    for logged in events[firstIndex(after: place)...] where filter.matches(logged) {
      guard page.events.count < limit, bytes < EventPage.mostBytes else {
        page.position = page.events.last?.event.sequence ?? place
        page.isEnd = false
        break
      }
      bytes += logged.bytes
      page.events.append(logged)
    }
    return page
  }

  private func removed(after place: Int64, _ filter: EventFilter) -> [UUID: Int64] {
    guard let tenant = filter.tenant else { return removed.filter { $0.value > place } }
    guard let last = removed[tenant], last > place else { return [:] }
    return [tenant: last]
  }

  private func firstIndex(after place: Int64) -> Int {
    var (low, high) = (0, events.count)
    while low < high {
      let middle = (low + high) / 2
      if events[middle].event.sequence <= place { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// Wakes whoever writes one stream, and tells when it has to end.
final class StreamWake: Sendable {
  private struct State {
    var isClosed = false
    var isHeartbeatDue = false
  }

  private let signal = Signal()
  private let state = Mutex(State())

  var isClosed: Bool { state.withLock(\.isClosed) }

  func raise() { signal.raise() }

  func close() {
    state.withLock { $0.isClosed = true }
    signal.raise()
  }

  func raiseHeartbeat() {
    state.withLock { $0.isHeartbeatDue = true }
    signal.raise()
  }

  func takeHeartbeat() -> Bool {
    state.withLock { state in
      defer { state.isHeartbeatDue = false }
      return state.isHeartbeatDue
    }
  }

  func wait() async { await signal.wait(atMost: nil) }
}
