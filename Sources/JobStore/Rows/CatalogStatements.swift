import Foundation
import GRDB
import Jobs

/// The statements that read and write the catalog.
struct CatalogStatements {
  private let db: Database

  init(_ db: Database) {
    self.db = db
  }

  func save(_ queue: JobQueue) throws {
    try db.cachedStatement(
      sql: "INSERT INTO catalog_queues (name, capacity) VALUES (?, ?)"
        + " ON CONFLICT DO UPDATE SET capacity = excluded.capacity"
    ).execute(arguments: [queue.name.rawValue, queue.capacity])
  }

  func save(_ group: JobGroup) throws {
    try db.cachedStatement(
      sql: "INSERT INTO catalog_groups (name, queue, description) VALUES (?, ?, ?)"
        + " ON CONFLICT DO UPDATE SET queue = excluded.queue, description = excluded.description"
    ).execute(arguments: [
      group.name, group.queue.rawValue, JobStatements.storable(group.description),
    ])
  }

  func save(_ type: JobTypeDescription) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json = String(decoding: try encoder.encode(type), as: UTF8.self)
    try db.cachedStatement(
      sql: "INSERT INTO catalog_types (id, description) VALUES (?, ?)"
        + " ON CONFLICT DO UPDATE SET description = excluded.description"
    ).execute(arguments: [type.id.description, json])
  }

  /// - Parameter skipped: why rows are left out; a newer Warren may have written them.
  func all(skipped: inout [String]) throws -> StoredCatalog {
    StoredCatalog(
      groups: try groups(&skipped), types: try types(&skipped), queues: try queues(&skipped))
  }

  private func queues(_ skipped: inout [String]) throws -> [JobQueue] {
    try rows(&skipped, "SELECT name, capacity FROM catalog_queues ORDER BY name") { row in
      JobQueue(
        name: try JobQueueName(row.decode(String.self, atIndex: 0)),
        capacity: try row.decode(Int.self, atIndex: 1))
    }
  }

  private func groups(_ skipped: inout [String]) throws -> [JobGroup] {
    try rows(&skipped, "SELECT name, queue, description FROM catalog_groups ORDER BY name") { row in
      try JobGroup(
        row.decode(String.self, atIndex: 0),
        queue: JobQueueName(row.decode(String.self, atIndex: 1)),
        description: row.decode(String.self, atIndex: 2))
    }
  }

  private func types(_ skipped: inout [String]) throws -> [JobTypeDescription] {
    try rows(&skipped, "SELECT description FROM catalog_types ORDER BY id") { row in
      let json = try row.decode(String.self, atIndex: 0)
      return try JSONDecoder().decode(JobTypeDescription.self, from: Data(json.utf8))
    }
  }

  private func rows<Item>(
    _ skipped: inout [String], _ sql: String, _ decode: (Row) throws -> Item
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
