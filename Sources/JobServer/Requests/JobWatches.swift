import Foundation
import JobTransport
import Jobs
import Synchronization

/// Who watches which jobs, and what they have not been told yet. Nothing is noted of a job that nobody watches.
final class JobWatches: Sendable {
  /// How many watches there may be, and how many of one address.
  static let most = 10_000
  static let mostOfAddress = 1_000

  struct Key: Sendable, Hashable {
    let job: JobID
    let address: String
  }

  struct Watch: Sendable, Hashable {
    var tenant: UUID
    var correlationID: String?
    /// By the clock that nobody sets.
    var end: Duration
  }

  /// What is to be told to one address.
  struct Batch: Sendable {
    let address: String
    let watches: [(job: JobID, watch: Watch)]
  }

  fileprivate struct State {
    var watches: [Key: Watch] = [:]
    var addresses: [JobID: Set<String>] = [:]
    var counts: [String: Int] = [:]
    /// What is to be told.
    var changed: [String: Set<JobID>] = [:]
    /// Addresses that are being told.
    var busy: Set<String> = []
    /// When was looked last for watches whose time is over.
    var lastSweep = Duration.seconds(-1)
  }

  /// Raised when there is something to tell.
  let news = Signal()
  /// Who follows jobs over HTTP is told of the same, by a wake-up.
  let feed = EventFeed()
  private let state = Mutex(State())
  private let clock: any ServerClock

  init(clock: any ServerClock = SystemClock()) {
    self.clock = clock
  }

  var count: Int { state.withLock { $0.watches.count } }

  /// Begins a watch, or prolongs it; the job as it is now is the first to be told.
  ///
  /// - Returns: why not.
  func add(
    _ job: JobID, tenant: UUID, address: String, correlationID: String?, for duration: Duration
  ) -> LookupError? {
    let key = Key(job: job, address: address)
    let now = clock.uptime
    let refusal = state.withLock { state -> LookupError? in
      if state.watches[key] == nil {
        if state.watches.count >= Self.most
          || state.counts[address, default: 0] >= Self.mostOfAddress
        {
          state.removeEnded(at: now)
        }
        guard state.watches.count < Self.most else {
          return LookupError(
            "\(Self.most) watches are the most of this server; ask for the job again, or later")
        }
        guard state.counts[address, default: 0] < Self.mostOfAddress else {
          return LookupError("\(Self.mostOfAddress) watches are the most of one address")
        }
        state.addresses[job, default: []].insert(address)
        state.counts[address, default: 0] += 1
      }
      state.watches[key] = Watch(
        tenant: tenant, correlationID: correlationID, end: now + duration)
      state.changed[address, default: []].insert(job)
      return nil
    }
    if refusal == nil { news.raise() }
    return refusal
  }

  /// Notes that jobs have changed, where they are watched.
  func note(_ jobs: some Sequence<JobID>) {
    feed.note(jobs)
    let now = clock.uptime
    let isNews = state.withLock { state in
      guard !state.watches.isEmpty else { return false }
      var isNews = false
      for job in jobs {
        for address in state.addresses[job] ?? [] {
          let key = Key(job: job, address: address)
          guard let watch = state.watches[key] else { continue }
          if watch.end < now {
            state.remove(key)
          } else {
            state.changed[address, default: []].insert(job)
            isNews = true
          }
        }
      }
      return isNews
    }
    if isNews { news.raise() }
  }

  /// Takes what is to be told now, of addresses that are not being told already; each is to be ended by
  /// ``end(_:told:over:isGone:)``.
  func take(limit: Int) -> [Batch] {
    state.withLock { state in
      var room = limit
      var batches: [Batch] = []
      for (address, jobs) in state.changed where !state.busy.contains(address) && room > 0 {
        let taken = jobs.prefix(room)
        room -= taken.count
        state.changed[address]?.subtract(taken)
        if state.changed[address]?.isEmpty == true { state.changed[address] = nil }
        let watches = taken.compactMap { job in
          state.watches[Key(job: job, address: address)].map { (job, $0) }
        }
        guard !watches.isEmpty else { continue }
        state.busy.insert(address)
        batches.append(Batch(address: address, watches: watches))
      }
      return batches
    }
  }

  /// An address has been told.
  ///
  /// - Parameters:
  ///   - failed: what it was not told, and is to be.
  ///   - over: what ends with what it was told.
  ///   - isGone: whether there is nobody at the address any longer.
  func end(_ address: String, failed: [JobID], over: [JobID], isGone: Bool) {
    let now = clock.uptime
    let isNews = state.withLock { state in
      state.busy.remove(address)
      if isGone {
        for key in state.watches.keys where key.address == address { state.remove(key) }
        return false
      }
      // Unless there is more to tell: it may have been asked for again meanwhile.
      for job in over where state.changed[address]?.contains(job) != true {
        state.remove(Key(job: job, address: address))
      }
      for job in failed {
        let key = Key(job: job, address: address)
        guard let watch = state.watches[key] else { continue }
        // One whose time is over is not told for ever.
        if watch.end < now {
          state.remove(key)
        } else {
          state.changed[address, default: []].insert(job)
        }
      }
      return state.changed[address] != nil
    }
    if isNews { news.raise() }
  }
}

extension JobWatches.State {
  fileprivate mutating func remove(_ key: JobWatches.Key) {
    guard watches.removeValue(forKey: key) != nil else { return }
    addresses[key.job]?.remove(key.address)
    if addresses[key.job]?.isEmpty == true { addresses[key.job] = nil }
    counts[key.address, default: 0] -= 1
    if counts[key.address] == 0 { counts[key.address] = nil }
    changed[key.address]?.remove(key.job)
    if changed[key.address]?.isEmpty == true { changed[key.address] = nil }
  }

  /// At most once a second: it looks at all, and whoever is refused asks again.
  fileprivate mutating func removeEnded(at now: Duration) {
    guard now - lastSweep >= .seconds(1) else { return }
    lastSweep = now
    for (key, watch) in watches where watch.end < now { remove(key) }
  }
}
