import Foundation
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Keeps what was asked of the API by those who change something, and what was refused them.
final class AuditLog: Service {
  /// How many refusals of one principal are kept in a minute: the others are in the server's log alone.
  static let mostRefusals = 60
  /// How many principals' refusals are counted.
  static let mostCounted = 10_000
  /// Between two rounds of removing what is old.
  static let interval = Duration.seconds(300)
  static let batchSize = 500

  private struct State {
    var minute: Int64 = 0
    var refusals: [String: Int] = [:]
  }

  let store: any AccessStore
  private let retention: Duration
  private let clock: any ServerClock
  private let log: ServerLog
  private let state = Mutex(State())

  /// - Parameter retention: how long entries are kept; zero is for ever.
  init(
    store: any AccessStore, retention: Duration, clock: any ServerClock, log: ServerLog
  ) {
    self.store = store
    self.retention = retention
    self.clock = clock
    self.log = log
  }

  /// Writes an entry; it is on the disk when this returns. The store gathers what is written at the same time.
  func note(
    _ caller: Caller, action: String, target: String?, params: String?, status: Int
  ) async {
    let principal = caller.principal.description
    let entry = AuditEntry(
      at: clock.now, principal: principal, tenantID: caller.tenant, userID: caller.user,
      role: caller.principal.role, action: action, target: target,
      params: params.map { String($0.prefix(500)) }, status: status)
    if caller.principal.kind != .anyone { tell(entry) }
    // Where the server failed, something may have been changed all the same.
    if (400..<500).contains(status), !takesRefusal(of: principal) { return }
    do throws(StoreError) {
      try await store.append([entry])
    } catch {
      // What was done is done, and stands in the log.
      log.count(\.storeFailures)
      tell(entry, level: .error, "the audit log could not be written: \(error)")
    }
  }

  private func tell(
    _ entry: AuditEntry, level: Logger.Level = .notice, _ message: String = "audit"
  ) {
    log.logger.log(
      level: level, "\(message)",
      metadata: [
        "principal": "\(entry.principal)", "tenant": "\(entry.tenantID.uuidString.lowercased())",
        "user": "\(entry.userID.uuidString.lowercased())", "role": "\(entry.role.rawValue)",
        "action": "\(entry.action)",
        "target": "\(entry.target ?? "")", "status": "\(entry.status)",
      ])
  }

  private func takesRefusal(of principal: String) -> Bool {
    let minute = clock.now.milliseconds / 60_000
    return state.withLock { state in
      if state.minute != minute || state.refusals.count >= Self.mostCounted {
        state.minute = minute
        state.refusals = [:]
      }
      state.refusals[principal, default: 0] += 1
      return state.refusals[principal, default: 0] <= Self.mostRefusals
    }
  }

  func run() async throws {
    await cancelWhenGracefulShutdown { [self] in
      while (try? await clock.sleep(for: Self.interval)) != nil { await prune() }
    }
  }

  /// Removes what is older than it is kept.
  func prune() async {
    guard retention > .zero else { return }
    do {
      var count = Self.batchSize
      while count == Self.batchSize {
        count = try await store.pruneAudit(
          before: clock.now + (.zero - retention), limit: Self.batchSize)
        try await clock.sleep(for: Retention.shortestPause)
      }
    } catch {
      log.burst(
        .error, "the audit log could not be pruned; it is tried again", ["error": "\(error)"])
    }
  }
}
