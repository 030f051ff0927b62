import Hummingbird
import Jobs
import Synchronization

/// What a request carries on its way through the middleware to its route.
struct APIContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  /// Who asks, or why that is not known; set by ``AuthenticationMiddleware``.
  var identity: Result<Caller, APIProblem> = .failure(
    .unauthenticated("it was not found out who asks", isInvalid: false))
  /// Whether whoever asks would be let in still: for what goes on for long.
  var isStillAllowed: @Sendable () async -> Bool = { true }
  /// What the route has to say to the audit log.
  let note = AuditNote()

  init(source: Source) {
    coreContext = CoreRequestContextStorage(source: source)
  }

  /// Who asks.
  ///
  /// - Throws: ``APIProblem`` where the request does not say so in a way that can be read, and is believed.
  var caller: Caller { get throws(APIProblem) { try identity.get() } }
}

/// What a request was about, where its path and query do not say it.
final class AuditNote: Sendable {
  private let content = Mutex<String?>(nil)

  var text: String? { content.withLock(\.self) }

  func set(_ text: String) {
    content.withLock { $0 = text }
  }
}

extension APIContext {
  /// The id of the job in the path, which somebody wants to read.
  ///
  /// - Throws: that there is none, for one that the caller does not see.
  func jobID(readFrom service: JobOperations) async throws -> JobID {
    let id = try parameters.jobID()
    // The tenant is looked at by whoever reads the job.
    if try caller.scope != .all { try await check(id, in: service) }
    return id
  }

  /// The id of the job in the path, which somebody wants to change. Another tenant's is not touched: that takes no longer than
  /// finding out that there is none.
  func jobID(changedIn service: JobOperations) async throws -> JobID {
    let id = try parameters.jobID()
    try await check(id, in: service)
    return id
  }

  private func check(_ id: JobID, in service: JobOperations) async throws {
    let caller = try caller
    let kind = try await service.reading { () throws(StoreError) in
      try await service.store.kind(of: id, tenant: caller.tenant)
    }
    guard let kind, kind.isVisible(in: caller.scope) else {
      throw JobOperationError.unknownJob(id)
    }
  }
}
