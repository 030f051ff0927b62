import Foundation
import GRDB
import Jobs

/// Groups, types and queues, as workers announce them.
extension Transaction {
  func save(_ queue: JobQueue) throws {
    try execute(
      Catalogs.saveQueue, [queue.name.rawValue.databaseValue, queue.capacity.databaseValue])
  }

  func save(_ group: JobGroup) throws {
    try execute(
      Catalogs.saveGroup,
      [
        group.name.databaseValue, group.queue.rawValue.databaseValue,
        storable(group.description).databaseValue,
      ])
  }

  func save(_ type: JobTypeDescription) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json = String(decoding: try encoder.encode(type), as: UTF8.self)
    try execute(Catalogs.saveType, [type.id.description.databaseValue, json.databaseValue])
  }
}

enum Catalogs {
  static let saveQueue = """
    INSERT INTO catalog_queue (name, capacity) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET capacity = excluded.capacity
    """
  static let saveGroup = """
    INSERT INTO catalog_group (name, queue, description) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET queue = excluded.queue, description = excluded.description
    """
  static let saveType = """
    INSERT INTO catalog_type (id, description) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET description = excluded.description
    """

  /// - Parameter skipped: what cannot be read of it, and why.
  static func all(_ db: Database, skipped: inout [String]) throws -> StoredCatalog {
    let groups = try rows(
      db, &skipped, "SELECT name, queue, description FROM catalog_group ORDER BY name"
    ) { row in
      try JobGroup(
        row.decode(String.self, atIndex: 0),
        queue: JobQueueName(row.decode(String.self, atIndex: 1)),
        description: row.decode(String.self, atIndex: 2))
    }
    let types = try rows(
      db, &skipped, "SELECT description FROM catalog_type ORDER BY id"
    ) { row in
      let json = try row.decode(String.self, atIndex: 0)
      return try JSONDecoder().decode(JobTypeDescription.self, from: Data(json.utf8))
    }
    let queues = try rows(
      db, &skipped, "SELECT name, capacity FROM catalog_queue ORDER BY name"
    ) { row in
      JobQueue(
        name: try JobQueueName(row.decode(String.self, atIndex: 0)),
        capacity: try row.decode(Int.self, atIndex: 1))
    }
    return StoredCatalog(groups: groups, types: types, queues: queues)
  }

  private static func rows<Item>(
    _ db: Database, _ skipped: inout [String], _ sql: String, _ decode: (Row) throws -> Item
  ) throws -> [Item] {
    var items: [Item] = []
    let rows = try Row.fetchCursor(db.cachedStatement(sql: sql))
    while let row = try rows.next() {
      do {
        items.append(try decode(row))
      } catch let error as DecodingError {
        skipped.append("the catalog: \(error)")
      } catch let error as NameError {
        skipped.append("the catalog: \(error)")
      } catch let error as RowDecodingError {
        skipped.append("the catalog: \(error)")
      }
    }
    return items
  }
}
