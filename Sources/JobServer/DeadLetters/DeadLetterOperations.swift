import AMQP
import Foundation
import JobTransport
import Jobs
import Logging

/// What one can do with dead letters. Every look-up is scoped to the caller's tenant.
struct DeadLetterOperations: Sendable {
  /// How long the broker may take over one set.
  private static let patience = Duration.seconds(10)
  /// About how many bytes are published in one set.
  private static let mostBytes = 8 << 20

  let store: any JobStore
  let check: DeadLetterCheck
  let broker: any MessageBroker
  let names: TransportNames
  let access: BrokerAccess
  /// The broker's user that the server is.
  let ownUser: String
  let clock: any ServerClock
  let log: ServerLog

  /// Which letters are meant, and how many of them are looked at.
  struct Selection: Sendable, Hashable {
    enum Choice: Sendable, Hashable {
      case ids([UUID])
      case filter(DeadLetterFilter, after: Int64?)
    }

    let choice: Choice
    let isDryRun: Bool
    let limit: Int

    /// For the audit log.
    var summary: String {
      let what =
        switch choice {
        case .ids(let ids):
          "\(ids.count) ids: "
            + ids.prefix(10).map { $0.uuidString.lowercased() }.joined(separator: ", ")
        case .filter(let filter, _): "up to \(limit) with \(filter.summary)"
        }
      return isDryRun ? "dry run, \(what)" : what
    }
  }

  /// - Parameter ownToo: whether Warren's own messages are meant, too, which may be about jobs of any tenant.
  func letter(
    _ id: UUID, tenant: UUID, ownToo: Bool = true
  ) async throws(JobOperationError) -> StoredDeadLetter {
    guard let found = try await find(id, tenant, ownToo) else { throw .unknownDeadLetter(id) }
    return found
  }

  private func find(
    _ id: UUID, _ tenant: UUID, _ ownToo: Bool
  ) async throws(JobOperationError) -> StoredDeadLetter? {
    let found = try await reading { () throws(StoreError) in
      try await store.deadLetter(id, tenant: tenant)
    }
    guard let found, ownToo || !found.record.kind.isOwn else { return nil }
    return found
  }

  func list(_ query: DeadLetterQuery) async throws(JobOperationError) -> DeadLetterPage {
    try await reading { () throws(StoreError) in try await store.deadLetters(query) }
  }

  func groups(
    _ filter: DeadLetterFilter, tenant: UUID
  ) async throws(JobOperationError) -> [DeadLetterGroup] {
    try await reading { () throws(StoreError) in
      try await store.deadLetterGroups(filter, tenant: tenant)
    }
  }

  func edit(
    _ id: UUID, tenant: UUID, to content: DeadLetterContent?, by editor: UUID
  ) async throws(JobOperationError) -> StoredDeadLetter {
    let record = try await reading { () throws(StoreError) in
      try await store.edit(id, tenant: tenant, to: content, by: editor, at: clock.now)
    }
    guard let record else { throw .unknownDeadLetter(id) }
    guard record.state == .waiting else { throw .deadLetterHeld(record) }
    return try await letter(id, tenant: tenant)
  }

  // MARK: Redriving

  func redrive(
    _ selection: Selection, tenant: UUID, ownToo: Bool = true
  ) async throws(JobOperationError) -> DeadLetterResults {
    try await each(selection, tenant: tenant) { ids throws(JobOperationError) in
      try await redrive(ids, tenant: tenant, isDryRun: selection.isDryRun, ownToo: ownToo)
    }
  }

  /// Publishes letters again that would be accepted now, each by itself.
  ///
  /// - Returns: what has become of each, in their order.
  func redrive(
    _ ids: [UUID], tenant: UUID, isDryRun: Bool, ownToo: Bool = true
  ) async throws(JobOperationError) -> [DeadLetterResult] {
    var results: [UUID: DeadLetterResult] = [:]
    var waiting: [Redrive] = []
    var bytes = 0
    for id in ids where results[id] == nil && !waiting.contains(where: { $0.letter.id == id }) {
      guard let letter = try await find(id, tenant, ownToo) else {
        results[id] = DeadLetterResult(
          id: id, .unknown, detail: JobOperationError.unknownDeadLetter(id).description)
        continue
      }
      guard letter.record.state != .accepted else {
        results[id] = DeadLetterResult(
          id: id, .held, detail: JobOperationError.deadLetterHeld(letter.record).description,
          job: letter.record.job)
        continue
      }
      let verdict = try await reading { () throws(StoreError) in
        try await check.verdict(on: letter)
      }
      switch verdict {
      case .refused(let reason, let detail, let errors):
        results[id] = DeadLetterResult(
          id: id, .refused, reason: reason, detail: detail, errors: errors.isEmpty ? nil : errors)
      case .acceptable(_, let job) where isDryRun:
        results[id] = DeadLetterResult(id: id, .acceptable, job: job)
      case .acceptable(let message, let job):
        waiting.append(Redrive(letter: letter.record, message: message, job: job))
        bytes += message.body.count
        guard bytes >= Self.mostBytes else { continue }
        for result in await publish(waiting) { results[result.id] = result }
        (waiting, bytes) = ([], 0)
      }
    }
    for result in await publish(waiting) { results[result.id] = result }
    return ids.compactMap { results[$0] }
  }

  private struct Redrive {
    let letter: DeadLetterRecord
    let message: Message
    let job: JobID?

    var provenance: DeadLetterProvenance {
      DeadLetterProvenance(letter: letter.id, count: letter.redrives + 1)
    }
  }

  private func publish(_ redrives: [Redrive]) async -> [DeadLetterResult] {
    guard !redrives.isEmpty else { return [] }
    let user = access.users == nil ? nil : ownUser
    let verdicts = await broker.publish(
      redrives.map { redrive in
        let isReport = redrive.letter.kind == .report
        return Publication(
          DeadLetter.redrive(redrive.message, redrive.provenance, by: user),
          exchange: isReport ? "" : names.submit,
          routingKey: isReport ? names.reports : redrive.letter.routingKey ?? "", mandatory: true)
      }, timeout: Self.patience)
    let sent = zip(redrives, verdicts).filter { $1 == .confirmed }.map(\.0)
    do {
      try await store.noteRedrives(sent.map(\.provenance), at: clock.now)
    } catch {
      // They are in the broker, and whoever takes them notes that.
      log.count(\.storeFailures)
      log.burst(.error, "redriven dead letters could not be noted", ["error": "\(error)"])
    }
    log.count(\.redrivenLetters, sent.count)
    if !sent.isEmpty {
      log.logger.notice(
        "dead letters were published again",
        metadata: ["count": "\(sent.count)", "first": "\(sent[0].letter.id)"])
    }
    return zip(redrives, verdicts).map { redrive, verdict in
      guard verdict == .confirmed else {
        return DeadLetterResult(
          id: redrive.letter.id, .failed,
          detail: "the broker did not confirm it (\(verdict)); to redrive it once more is safe")
      }
      return DeadLetterResult(id: redrive.letter.id, .sent, job: redrive.job)
    }
  }

  // MARK: Dropping

  func drop(
    _ selection: Selection, tenant: UUID, ownToo: Bool = true
  ) async throws(JobOperationError) -> DeadLetterResults {
    try await each(selection, tenant: tenant) { ids throws(JobOperationError) in
      var results: [DeadLetterResult] = []
      for id in ids {
        results.append(
          try await drop(id, tenant: tenant, isDryRun: selection.isDryRun, ownToo: ownToo))
      }
      return results
    }
  }

  private func drop(
    _ id: UUID, tenant: UUID, isDryRun: Bool, ownToo: Bool
  ) async throws(JobOperationError) -> DeadLetterResult {
    let record =
      isDryRun
      ? try await find(id, tenant, ownToo)?.record : try await remove(id, tenant, ownToo)
    guard let record else {
      return DeadLetterResult(
        id: id, .unknown, detail: JobOperationError.unknownDeadLetter(id).description)
    }
    guard record.state != .redriven else {
      return DeadLetterResult(
        id: id, .held, detail: JobOperationError.deadLetterHeld(record).description)
    }
    if !isDryRun { noteDropped(record) }
    return DeadLetterResult(id: id, isDryRun ? .droppable : .dropped)
  }

  /// Removes one.
  ///
  /// - Returns: the letter as it was.
  func drop(
    _ id: UUID, tenant: UUID, ownToo: Bool = true
  ) async throws(JobOperationError) -> DeadLetterRecord {
    guard let record = try await remove(id, tenant, ownToo) else { throw .unknownDeadLetter(id) }
    guard record.state != .redriven else { throw .deadLetterHeld(record) }
    noteDropped(record)
    return record
  }

  private func remove(
    _ id: UUID, _ tenant: UUID, _ ownToo: Bool
  ) async throws(JobOperationError) -> DeadLetterRecord? {
    if !ownToo, try await find(id, tenant, ownToo) == nil { return nil }
    return try await reading { () throws(StoreError) in
      try await store.dropDeadLetter(id, tenant: tenant)
    }
  }

  private func noteDropped(_ record: DeadLetterRecord) {
    log.count(\.droppedLetters)
    log.burst(
      .notice, "a dead letter was dropped",
      ["letter": "\(record.id)", "reason": "\(record.reason)", "tenant": "\(record.tenantID)"])
  }

  // MARK: -

  private func each(
    _ selection: Selection, tenant: UUID,
    _ work: ([UUID]) async throws(JobOperationError) -> [DeadLetterResult]
  ) async throws(JobOperationError) -> DeadLetterResults {
    switch selection.choice {
    case .ids(let ids):
      var seen: Set<UUID> = []
      let own = ids.filter { seen.insert($0).inserted }
      return DeadLetterResults(
        dryRun: selection.isDryRun, matching: own.count, next: nil, results: try await work(own))
    case .filter(let filter, let after):
      // The oldest first, and what is left where it is is not met again.
      let page = try await list(
        DeadLetterQuery(
          tenant: tenant, filter: filter, newestFirst: false, after: after,
          limit: selection.limit))
      return DeadLetterResults(
        dryRun: selection.isDryRun, matching: page.total, next: page.next.map(String.init),
        results: try await work(page.letters.map(\.id)))
    }
  }

  private func reading<Value>(
    _ body: () async throws(StoreError) -> Value
  ) async throws(JobOperationError) -> Value {
    do throws(StoreError) {
      return try await body()
    } catch {
      throw .store(error)
    }
  }
}
