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

  /// All that was ever noted of groups, types and queues, as far as it can be read.
  public func catalog() async throws(StoreError) -> StoredCatalog {
    let (catalog, skipped) = try await read { db in
      var skipped: [String] = []
      let catalog = try CatalogStatements(db).all(skipped: &skipped)
      return (catalog, skipped)
    }
    noteSkipped(skipped)
    return catalog
  }
}
