import Foundation
import GRDB
public import Jobs

extension StatusStore {
  /// Notes groups, types and queues; what has the name of a known one replaces it.
  public func save(
    groups: [JobGroup], types: [JobTypeDescription], queues: [JobQueue]
  ) async throws(StoreError) {
    guard !groups.isEmpty || !types.isEmpty || !queues.isEmpty else { return }
    try await writes.write { scope in
      let catalog = CatalogStatements(scope.db)
      for queue in queues { try catalog.save(queue) }
      for group in groups { try catalog.save(group) }
      for type in types { try catalog.save(type) }
    }
  }

  /// All that was ever noted of groups, types and queues.
  public func catalog() async throws(StoreError) -> StoredCatalog {
    try await read { db in try CatalogStatements(db).all() }
  }
}
