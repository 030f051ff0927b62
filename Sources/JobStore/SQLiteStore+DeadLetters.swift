package import Foundation
import GRDB
package import Jobs

extension SQLiteStore {
  package func keep(
    _ arrivals: [DeadLetterArrival], at now: Timestamp
  ) async throws(StoreError) -> [DeadLetterKeeping] {
    guard !arrivals.isEmpty else { return [] }
    return try await writes.write(weight: arrivals.count) { try $0.keep(arrivals, at: now) }
  }

  package func deadLetter(
    _ id: UUID, tenant: UUID?
  ) async throws(StoreError) -> StoredDeadLetter? {
    let (found, skipped) = try await read { db -> (StoredDeadLetter?, [String]) in
      var skipped: [String] = []
      let rows = try DeadLetters.fetchAll(
        db.cachedStatement(sql: DeadLetters.byID), [id.databaseValue], skipped: &skipped)
      guard let record = rows.first?.record, tenant == nil || record.tenantID == tenant,
        let content = try DeadLetters.content(
          db.cachedStatement(sql: DeadLetters.contentByID), id)
      else { return (nil, skipped) }
      let letter = StoredDeadLetter(
        record: record, original: content.original, edited: content.edited)
      return (letter, skipped)
    }
    damageLog.noteSkipped(skipped)
    return found
  }

  package func deadLetters(
    _ query: DeadLetterQuery
  ) async throws(StoreError) -> DeadLetterPage {
    let (page, skipped) = try await read { db -> (DeadLetterPage, [String]) in
      var skipped: [String] = []
      let chosen = DeadLetters.arguments(query.filter, query.tenant)
      let total = try Int.fetchOne(
        db.cachedStatement(sql: DeadLetters.count), arguments: StatementArguments(chosen))
      let limit = max(0, query.limit)
      let rows = try DeadLetters.fetchAll(
        db.cachedStatement(sql: query.newestFirst ? DeadLetters.newest : DeadLetters.oldest),
        chosen + [
          query.after?.databaseValue ?? .null, (limit + 1).databaseValue,
          query.offset.databaseValue,
        ], skipped: &skipped)
      let part = rows.prefix(limit)
      let page = DeadLetterPage(
        letters: part.map(\.record), total: total ?? 0,
        next: rows.count > limit ? part.last?.number : nil)
      return (page, skipped)
    }
    damageLog.noteSkipped(skipped)
    return page
  }

  package func deadLetterGroups(
    _ filter: DeadLetterFilter, tenant: UUID
  ) async throws(StoreError) -> [DeadLetterGroup] {
    try await read { db in
      var groups: [DeadLetterGroup] = []
      let rows = try Row.fetchCursor(
        db.cachedStatement(sql: DeadLetters.groups),
        arguments: StatementArguments(DeadLetters.arguments(filter, tenant)))
      while let row = try rows.next() {
        groups.append(
          DeadLetterGroup(
            reason: try row.decode(String.self, atIndex: 0),
            pointer: try row.decode(String?.self, atIndex: 1),
            count: try row.decode(Int.self, atIndex: 2),
            oldest: Timestamp(milliseconds: try row.decode(atIndex: 3)),
            newest: Timestamp(milliseconds: try row.decode(atIndex: 4))))
      }
      return groups
    }
  }

  package func noteRedrives(
    _ redrives: [DeadLetterProvenance], at now: Timestamp
  ) async throws(StoreError) {
    guard !redrives.isEmpty else { return }
    try await writes.write(weight: redrives.count) { try $0.noteRedrives(redrives, at: now) }
  }

  package func noteAcceptances(
    _ acceptances: [DeadLetterAcceptance], at now: Timestamp
  ) async throws(StoreError) {
    guard !acceptances.isEmpty else { return }
    try await writes.write(weight: acceptances.count) {
      try $0.noteAcceptances(acceptances, at: now)
    }
  }

  package func edit(
    _ id: UUID, tenant: UUID, to content: DeadLetterContent?, by editor: UUID, at now: Timestamp
  ) async throws(StoreError) -> DeadLetterRecord? {
    try await writes.write { try $0.edit(id, tenant: tenant, to: content, by: editor, at: now) }
  }

  package func dropDeadLetter(
    _ id: UUID, tenant: UUID
  ) async throws(StoreError) -> DeadLetterRecord? {
    try await writes.write { try $0.dropDeadLetter(id, tenant: tenant) }
  }

  package func pruneDeadLetters(
    unchangedSince time: Timestamp?, acceptedBy acceptedTime: Timestamp, limit: Int
  ) async throws(StoreError) -> (waiting: Int, accepted: Int) {
    try await writes.write(weight: limit) {
      try $0.pruneDeadLetters(unchangedSince: time, acceptedBy: acceptedTime, limit: limit)
    }
  }

  package func isDeleted(_ job: JobID) async throws(StoreError) -> Bool {
    try await read { db in
      try Int.fetchOne(
        db.cachedStatement(sql: Insertions.tombstone), arguments: [job.uuid]) != nil
    }
  }
}
