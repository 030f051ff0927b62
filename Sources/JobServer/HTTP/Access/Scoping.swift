import Jobs

/// What somebody sees of the catalog, and may schedule, whose token or JWT is bound to patterns.
extension JobOperations {
  func types(in scope: JobScope) -> [JobTypeDescription] {
    guard scope != .all else { return types }
    return types.filter { type in
      guard let queue = catalog.type(type.id)?.queue else { return scope.contains(type.id) }
      return scope.contains(type.id, in: queue)
    }
  }

  func groups(in scope: JobScope) -> [JobGroup] {
    guard scope != .all else { return groups }
    let names = Set(types(in: scope).map(\.id.group))
    return groups.filter {
      scope.contains($0.queue) && (scope.types.isEmpty || names.contains($0.name))
    }
  }

  /// Throws ``APIProblem`` for a type of which the caller may schedule nothing; one that there is not is not told from one that is
  /// not for the caller by the names that are known.
  func check(_ type: JobTypeID, scheduledBy caller: Caller) throws(APIProblem) {
    let scope = caller.scope
    guard scope != .all else { return }
    let known = catalog.type(type)
    guard scope.contains(type), known.map({ scope.contains($0.queue) }) != false else {
      throw .forbidden(
        "whoever asks may not schedule jobs of the type \(type); "
          + types(in: scope).map(\.id.description).listedAsKnown(orElse: "none is known yet"))
    }
    guard known != nil else {
      throw APIProblem(ScheduleError.unknownType(type, known: types(in: scope).map(\.id)))
    }
  }
}

extension APIProblem {
  /// What the caller may know of an error: nothing of a job that it does not see.
  init(_ error: ScheduleError, toldTo caller: Caller) {
    if case .conflict(let existing, _) = error,
      !caller.scope.contains(existing.type, in: existing.queue)
    {
      self.init(.conflict, "the idempotency key belongs to another job")
    } else {
      self.init(error)
    }
  }
}

extension BatchBody {
  /// The same, without what the caller may not schedule.
  func checked(for caller: Caller, by service: JobOperations) -> BatchBody {
    guard caller.scope != .all else { return self }
    return BatchBody(
      entries: entries.map { entry in
        entry.flatMap { body in
          Result { () throws(APIProblem) in
            try service.check(body.type, scheduledBy: caller)
            return body
          }
        }
      })
  }
}
