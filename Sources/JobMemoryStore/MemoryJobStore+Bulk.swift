package import Foundation
package import Jobs

extension MemoryJobStore {
  package func survey(_ request: BulkRequest, tenant: UUID) -> BulkSurvey {
    read { state in
      BulkSurvey(
        matching: state.jobs.values.count {
          $0.job.tenantID == tenant && request.matches($0.job)
        }, last: state.nextNumber - 1)
    }
  }

  package func begin(_ operation: BulkOperation, mostRunning: Int) -> BulkInsertion {
    write { state in
      let own = state.operations.filter { $0.tenantID == operation.tenantID }
      if let key = operation.key, let known = own.first(where: { $0.key == key }) {
        return known.request == operation.request ? .repeated(known) : .conflict(known)
      }
      guard own.count(where: { $0.status == .running }) < mostRunning else { return .tooMany }
      state.operations.append(operation)
      return .created(operation)
    }
  }

  package func operation(_ id: UUID, tenant: UUID) -> BulkOperation? {
    read { $0.operations.first { $0.id == id && $0.tenantID == tenant } }
  }

  package func operations(
    of tenant: UUID, status: BulkOperation.Status?, offset: Int, limit: Int
  ) -> (operations: [BulkOperation], total: Int) {
    read { state in
      let found = state.operations.filter {
        $0.tenantID == tenant && (status == nil || $0.status == status)
      }
      return (Array(found.reversed().dropFirst(offset).prefix(limit)), found.count)
    }
  }

  package func runningOperations() -> [BulkOperation] {
    read { $0.operations.filter { $0.status == .running } }
  }

  package func candidates(of operation: BulkOperation, limit: Int) -> BulkPage {
    read { state in
      let found = state.ordered.filter {
        $0.number > operation.position && $0.number <= operation.last
          && $0.job.tenantID == operation.tenantID && operation.request.matches($0.job)
      }.map { BulkPage.Candidate(number: $0.number, job: $0.job.id, type: $0.job.type) }
      return BulkPage(candidates: found, next: operation.last, isLast: true).prefix(limit)
    }
  }

  package func advance(_ step: BulkStep, at now: Timestamp) -> BulkProgress? {
    write { state in
      guard let index = state.operations.firstIndex(where: { $0.id == step.operation }),
        state.operations[index].status == .running,
        state.operations[index].position == step.from
      else { return nil }
      var operation = state.operations[index]
      var told: [JobCommand.Result] = []
      let outcomes = step.items.map { state.carryOut($0, of: operation, &told, at: now) }
      operation.note(outcomes, to: step.to, isLast: step.isLast, at: now)
      state.operations[index] = operation
      return BulkProgress(operation: operation, told: told)
    }
  }

  package func cancelOperation(
    _ id: UUID, tenant: UUID, at now: Timestamp
  ) -> BulkOperation? {
    write { state in
      let index = state.operations.firstIndex { $0.id == id && $0.tenantID == tenant }
      guard let index else { return nil }
      _ = state.operations[index].cancel(at: now)
      return state.operations[index]
    }
  }

  package func pruneOperations(endedBy time: Timestamp, limit: Int) {
    write { state in
      let old = state.operations.filter { $0.endedAt.map { $0 <= time } ?? false }
        .prefix(limit).map(\.id)
      state.operations.removeAll { old.contains($0.id) }
    }
  }
}

extension MemoryJobStore.State {
  fileprivate mutating func carryOut(
    _ item: BulkStep.Item, of operation: BulkOperation, _ told: inout [JobCommand.Result],
    at now: Timestamp
  ) -> BulkOutcome {
    if case .settled(let outcome) = item.work { return outcome }
    guard let entry = jobs[item.job], entry.job.tenantID == operation.tenantID,
      operation.request.matches(entry.job)
    else { return .skipped }
    switch item.work {
    case .settled(let outcome): return outcome
    case .command(let action):
      let decision = change(item.job, at: now) { $0.apply(action, at: now) } ?? .pointless
      if case .tell = decision, let job = jobs[item.job]?.job {
        told.append(JobCommand.Result(decision, job))
      }
      return decision.outcome
    case .delete:
      guard entry.job.status.isDeletable else { return .skipped }
      tombstones[item.job] = now
      remove(entry, at: now)
      return .done
    case .insert(let new):
      return insert(new, at: now).outcome(of: item.job)
    }
  }
}
