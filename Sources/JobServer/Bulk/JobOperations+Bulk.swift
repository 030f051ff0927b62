package import Foundation
package import Jobs
import Logging

extension JobOperations {
  /// How many operations of one tenant may run at the same time.
  package static let mostOperations = 100

  /// How many jobs a bulk request would be about.
  package func preview(
    _ request: BulkRequest, tenant: UUID
  ) async throws(JobOperationError) -> BulkPreview {
    let survey = try await reading { () throws(StoreError) in
      try await store.survey(request, tenant: tenant)
    }
    return BulkPreview(matching: survey.matching)
  }

  /// Begins to do something to many jobs: those that are in the store now, each at its turn.
  ///
  /// - Parameter key: asked for again with the same key, it is the same operation.
  /// - Returns: the operation, and whether it was begun now.
  package func begin(
    _ request: BulkRequest, tenant: UUID, key: IdempotencyKey?
  ) async throws(JobOperationError) -> (operation: BulkOperation, isNew: Bool) {
    let insertion = try await reading { () throws(StoreError) in
      let operation = BulkOperation(
        tenantID: tenant, request: request, key: key?.uuid,
        survey: try await store.survey(request, tenant: tenant), createdAt: clock.now)
      return try await store.begin(operation, mostRunning: Self.mostOperations)
    }
    switch insertion {
    case .created(let operation):
      bulkWork.raise()
      logger.info("a bulk operation begins", metadata: operation.metadata)
      return (operation, true)
    case .repeated(let operation): return (operation, false)
    case .conflict(let operation): throw .operationConflict(operation.id)
    case .tooMany: throw .tooManyOperations(Self.mostOperations)
    }
  }

  package func operation(
    _ id: UUID, tenant: UUID
  ) async throws(JobOperationError) -> BulkOperation {
    let found = try await reading { () throws(StoreError) in
      try await store.operation(id, tenant: tenant)
    }
    guard let found else { throw .unknownOperation(id) }
    return found
  }

  /// Operations of a tenant, the newest first, and how many there are.
  package func operations(
    of tenant: UUID, status: BulkOperation.Status?, offset: Int, limit: Int
  ) async throws(JobOperationError) -> (operations: [BulkOperation], total: Int) {
    try await reading { () throws(StoreError) in
      try await store.operations(of: tenant, status: status, offset: offset, limit: limit)
    }
  }

  /// Stops an operation: what it has done stays done. One that has ended is returned as it is.
  package func cancelOperation(
    _ id: UUID, tenant: UUID
  ) async throws(JobOperationError) -> BulkOperation {
    let found = try await reading { () throws(StoreError) in
      try await store.cancelOperation(id, tenant: tenant, at: clock.now)
    }
    guard let found else { throw .unknownOperation(id) }
    bulkWork.raise()
    return found
  }
}
