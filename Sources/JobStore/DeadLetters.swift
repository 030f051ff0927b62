import Foundation
import GRDB
import Jobs

/// Messages that could not be accepted: their rows.
enum DeadLetters {
  private static let columns = """
    number, id, root, tenant, state, kind, redrives, size, arrived_at, updated_at, edited_at, edited_by, \
    job, reason, explanation, type, queue, found_in, exchange, routing_key, user, deaths, errors
    """
  /// What they are chosen by: the arguments of ``arguments(_:_:)``.
  private static let chosen = """
    tenant = ?1 AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR reason = ?3)
      AND (?4 IS NULL OR type = ?4) AND (?5 IS NULL OR queue = ?5 OR found_in = ?5)
      AND (?6 IS NULL OR arrived_at >= ?6) AND (?7 IS NULL OR arrived_at < ?7)
      AND (?8 IS NULL OR EXISTS (
        SELECT 1 FROM json_each(errors) WHERE json_extract(value, '$.pointer') = ?8))
    """
  static let byID = "SELECT \(columns) FROM dead_letter WHERE id = ?"
  static let contentByID = """
    SELECT properties, body, edited_properties, edited_body FROM dead_letter WHERE id = ?
    """
  static let newest = """
    SELECT \(columns) FROM dead_letter WHERE \(chosen) AND (?9 IS NULL OR number < ?9)
    ORDER BY number DESC LIMIT ?10 OFFSET ?11
    """
  static let oldest = """
    SELECT \(columns) FROM dead_letter WHERE \(chosen) AND (?9 IS NULL OR number > ?9)
    ORDER BY number LIMIT ?10 OFFSET ?11
    """
  static let count = "SELECT count(*) FROM dead_letter WHERE \(chosen)"
  static let groups = """
    SELECT reason, pointer, count(*), min(arrived_at), max(arrived_at) FROM (
      SELECT DISTINCT l.number, l.reason, l.arrived_at, json_extract(e.value, '$.pointer') AS pointer
      FROM (SELECT * FROM dead_letter WHERE \(chosen)) l LEFT JOIN json_each(l.errors) e)
    GROUP BY reason, pointer ORDER BY 3 DESC, 1, 2 LIMIT 1000
    """
  static let root = """
    SELECT root FROM dead_letter WHERE fingerprint = ? AND tenant = ? ORDER BY number DESC LIMIT 1
    """
  static let insert = """
    INSERT INTO dead_letter (
      id, root, fingerprint, tenant, state, kind, redrives, size, arrived_at, updated_at, job, reason,
      explanation, type, queue, found_in, exchange, routing_key, user, deaths, errors, properties, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    """
  static let update = """
    UPDATE dead_letter SET state = ?2, redrives = ?3, updated_at = ?4, edited_at = ?5, edited_by = ?6,
      job = ?7, reason = ?8, explanation = ?9, errors = ?10
    WHERE id = ?1
    """
  static let edit = """
    UPDATE dead_letter SET edited_properties = ?2, edited_body = ?3 WHERE id = ?1
    """
  static let delete = "DELETE FROM dead_letter WHERE id = ?"
  static let prune = """
    DELETE FROM dead_letter WHERE number IN (
      SELECT number FROM dead_letter INDEXED BY dead_letter_age WHERE state = ? AND updated_at <= ?
      ORDER BY updated_at LIMIT ?)
    """

  static func code(_ state: DeadLetterState) -> Int {
    switch state {
    case .waiting: 0
    case .redriven: 1
    case .accepted: 2
    }
  }

  static func code(_ kind: DeadLetterKind) -> Int {
    switch kind {
    case .job: 0
    case .cancel: 1
    case .report: 2
    case .own: 3
    }
  }

  static func arguments(_ filter: DeadLetterFilter, _ tenant: UUID) -> [DatabaseValue] {
    [
      tenant.databaseValue, filter.state.map { code($0).databaseValue } ?? .null,
      text(filter.reason), text(filter.type), text(filter.queue), Job.optional(filter.since),
      Job.optional(filter.until), text(filter.pointer),
    ]
  }

  static func text(_ text: String?) -> DatabaseValue {
    text.map { storable($0).databaseValue } ?? .null
  }

  /// As JSON text, which SQLite looks into.
  static func json(_ list: some Collection & Encodable) throws -> DatabaseValue {
    list.isEmpty ? .null : storable(try JSONValue(encoding: list).text).databaseValue
  }

  // MARK: Reading

  static func fetchAll(
    _ statement: Statement, _ arguments: [DatabaseValue], skipped: inout [String]
  ) throws -> [(number: Int64, record: DeadLetterRecord)] {
    var found: [(Int64, DeadLetterRecord)] = []
    let rows = try Row.fetchCursor(statement, arguments: StatementArguments(arguments))
    while let row = try rows.next() {
      do {
        found.append((try row.decode(Int64.self, atIndex: 0), try decode(row)))
      } catch let error as StoreError {
        skipped.append("a dead letter: \(error)")
      } catch let error as JSONError {
        skipped.append("a dead letter: \(error)")
      } catch let error as RowDecodingError {
        skipped.append("a dead letter: \(error)")
      }
    }
    return found
  }

  private static func decode(_ row: Row) throws -> DeadLetterRecord {
    func choice<Choice: CaseIterable>(
      _ index: Int, _ code: (Choice) -> Int
    ) throws -> Choice {
      let number = try row.decode(Int.self, atIndex: index)
      guard let choice = Choice.allCases.first(where: { code($0) == number }) else {
        throw StoreError.corrupt("column \(index): \(number) is not known")
      }
      return choice
    }
    func list<Element: Decodable>(_ index: Int) throws -> [Element] {
      guard let text = try row.decode(String?.self, atIndex: index) else { return [] }
      return try JSONValue(parsing: text.utf8).decode(as: [Element].self)
    }
    func time(_ index: Int) throws -> Timestamp {
      Timestamp(milliseconds: try row.decode(atIndex: index))
    }
    var record = DeadLetterRecord(
      id: try row.decode(UUID.self, atIndex: 1), tenantID: try row.decode(UUID.self, atIndex: 3),
      kind: try choice(5) { code($0 as DeadLetterKind) },
      reason: try row.decode(String.self, atIndex: 13),
      explanation: try row.decode(String.self, atIndex: 14), errors: try list(22),
      type: try row.decode(String?.self, atIndex: 15),
      queue: try row.decode(String?.self, atIndex: 16),
      foundIn: try row.decode(String?.self, atIndex: 17),
      exchange: try row.decode(String?.self, atIndex: 18),
      routingKey: try row.decode(String?.self, atIndex: 19),
      user: try row.decode(String?.self, atIndex: 20), deaths: try list(21),
      size: try row.decode(Int.self, atIndex: 7), arrivedAt: try time(8))
    record.restore(
      root: try row.decode(UUID.self, atIndex: 2),
      state: try choice(4) { code($0 as DeadLetterState) },
      redrives: try row.decode(Int.self, atIndex: 6),
      job: try row.decode(UUID?.self, atIndex: 12).map { JobID($0) }, updatedAt: try time(9),
      editedAt: try row.decode(Int64?.self, atIndex: 10).map(Timestamp.init(milliseconds:)),
      editedBy: try row.decode(UUID?.self, atIndex: 11))
    return record
  }

  static func content(_ statement: Statement, _ id: UUID) throws -> (
    original: DeadLetterContent, edited: DeadLetterContent?
  )? {
    let rows = try Row.fetchCursor(statement, arguments: [id])
    return try withExtendedLifetime(rows) {
      guard let row = try rows.next() else { return nil }
      func content(_ index: Int) throws -> DeadLetterContent? {
        guard let properties = try row.decode(Data?.self, atIndex: index) else { return nil }
        return DeadLetterContent(
          // What is nested as deeply as headers may be has some levels around it.
          properties: try JSONValue(parsing: properties, maxDepth: DeadLetterContent.maxDepth),
          body: try row.decode(Data?.self, atIndex: index + 1) ?? Data())
      }
      guard let original = try content(0) else { return nil }
      return (original, try content(2))
    }
  }
}

extension Transaction {
  func keep(_ arrivals: [DeadLetterArrival], at now: Timestamp) throws -> [DeadLetterKeeping] {
    if case .success(let all) = try attempt({ try arrivals.map { try keep($0, at: now) } }) {
      return all
    }
    return try arrivals.map { arrival in
      switch try attempt({ try keep(arrival, at: now) }) {
      case .success(let keeping): keeping
      case .failure(let reason): .unfit("\(reason)")
      }
    }
  }

  private func keep(_ arrival: DeadLetterArrival, at now: Timestamp) throws -> DeadLetterKeeping {
    let letter = arrival.letter
    if let provenance = arrival.provenance, var known = try deadLetter(provenance.letter) {
      known.noteRefusal(
        count: provenance.count, reason: letter.record.reason,
        explanation: letter.record.explanation, errors: letter.record.errors, at: now)
      try write(known)
      return .returned
    }
    let record = letter.record
    if try deadLetter(record.id) != nil { return .known }
    var root: UUID? = nil
    if arrival.mayBeRepeated {
      root = try UUID.fetchOne(
        statement(DeadLetters.root), arguments: [arrival.fingerprint, record.tenantID])
    }
    try execute(
      DeadLetters.insert,
      [
        record.id.databaseValue, (root ?? record.root).databaseValue,
        arrival.fingerprint.databaseValue, record.tenantID.databaseValue,
        DeadLetters.code(record.state).databaseValue, DeadLetters.code(record.kind).databaseValue,
        record.redrives.databaseValue, record.size.databaseValue,
        record.arrivedAt.milliseconds.databaseValue, record.updatedAt.milliseconds.databaseValue,
        record.job.map(\.uuid.databaseValue) ?? .null, storable(record.reason).databaseValue,
        storable(record.explanation).databaseValue, DeadLetters.text(record.type),
        DeadLetters.text(record.queue), DeadLetters.text(record.foundIn),
        DeadLetters.text(record.exchange), DeadLetters.text(record.routingKey),
        DeadLetters.text(record.user), try DeadLetters.json(record.deaths),
        try DeadLetters.json(record.errors), Job.text(letter.original.properties),
        letter.original.body.databaseValue,
      ])
    return .kept
  }

  func deadLetter(_ id: UUID) throws -> DeadLetterRecord? {
    var skipped: [String] = []
    return try DeadLetters.fetchAll(
      statement(DeadLetters.byID), [id.databaseValue], skipped: &skipped
    ).first?.record
  }

  private func write(_ record: DeadLetterRecord) throws {
    try execute(
      DeadLetters.update,
      [
        record.id.databaseValue, DeadLetters.code(record.state).databaseValue,
        record.redrives.databaseValue, record.updatedAt.milliseconds.databaseValue,
        Job.optional(record.editedAt), record.editedBy?.databaseValue ?? .null,
        record.job.map(\.uuid.databaseValue) ?? .null, storable(record.reason).databaseValue,
        storable(record.explanation).databaseValue, try DeadLetters.json(record.errors),
      ])
  }

  func noteRedrives(_ redrives: [DeadLetterProvenance], at now: Timestamp) throws {
    for redrive in redrives {
      guard var record = try deadLetter(redrive.letter) else { continue }
      record.noteRedrive(count: redrive.count, at: now)
      try write(record)
    }
  }

  func noteAcceptances(_ acceptances: [DeadLetterAcceptance], at now: Timestamp) throws {
    for acceptance in acceptances {
      guard var record = try deadLetter(acceptance.provenance.letter) else { continue }
      record.noteAcceptance(count: acceptance.provenance.count, job: acceptance.job, at: now)
      try write(record)
    }
  }

  func edit(
    _ id: UUID, tenant: UUID, to content: DeadLetterContent?, by editor: UUID, at now: Timestamp
  ) throws -> DeadLetterRecord? {
    guard var record = try deadLetter(id), record.tenantID == tenant else { return nil }
    guard record.state == .waiting else { return record }
    record.noteEdit(by: content == nil ? nil : editor, at: now)
    try write(record)
    try execute(
      DeadLetters.edit,
      [
        id.databaseValue, content.map { Job.text($0.properties) } ?? .null,
        content?.body.databaseValue ?? .null,
      ])
    return record
  }

  func dropDeadLetter(_ id: UUID, tenant: UUID) throws -> DeadLetterRecord? {
    guard let record = try deadLetter(id), record.tenantID == tenant else { return nil }
    if record.state != .redriven { try execute(DeadLetters.delete, [id.databaseValue]) }
    return record
  }

  func pruneDeadLetters(
    unchangedSince time: Timestamp?, acceptedBy acceptedTime: Timestamp, limit: Int
  ) throws -> (waiting: Int, accepted: Int) {
    func prune(_ state: DeadLetterState, _ time: Timestamp?, _ limit: Int) throws -> Int {
      guard let time, limit > 0 else { return 0 }
      try execute(
        DeadLetters.prune,
        [
          DeadLetters.code(state).databaseValue, time.milliseconds.databaseValue,
          limit.databaseValue,
        ])
      return db.changesCount
    }
    var waiting = try prune(.waiting, time, limit)
    waiting += try prune(.redriven, time, limit - waiting)
    return (waiting, try prune(.accepted, acceptedTime, limit - waiting))
  }
}
