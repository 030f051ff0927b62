import AMQP
import HTTPTypes
import Hummingbird
import Jobs

/// `/healthz` and `/readyz`, for whoever supervises the process.
struct HealthRoutes {
  let checks: [ReadinessCheck]

  func add(to routes: inout APIRoutes) {
    routes.get("/healthz", .open) { _, _ in try Response.json(["status": "ok"]) }
    routes.get("/readyz", .open, use: ready)
  }

  /// 200 only when jobs can be accepted and handed out.
  @Sendable private func ready(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let faults = await withTaskGroup(of: (Int, String?).self) { group in
      for (index, check) in checks.enumerated() {
        group.addTask { (index, await check.fault()) }
      }
      var faults: [(index: Int, fault: String)] = []
      for await case (let index, let fault?) in group { faults.append((index, fault)) }
      return faults.sorted { $0.index < $1.index }.map(\.fault)
    }
    guard faults.isEmpty else {
      throw APIProblem(
        .notReady, faults.joined(separator: "; "),
        headers: [.retryAfter: String(APIProblem.retryAfter)])
    }
    return try .json(["status": "ready"])
  }
}

/// One thing that has to be there before the server is of use.
struct ReadinessCheck: Sendable {
  /// How long a check may take.
  static let patience = Duration.seconds(1)

  /// What is not ready, in words; `nil` when all is well.
  let fault: @Sendable () async -> String?

  /// The store answers.
  static func store(_ store: any JobStore) -> ReadinessCheck {
    ReadinessCheck {
      do {
        try await store.checkHealth()
        return nil
      } catch {
        return "the status store does not answer: \(error)"
      }
    }
  }

  /// A connection to the broker is up.
  ///
  /// - Parameter role: what it is for, as in "publishing".
  static func connection(_ connection: Connection, role: String) -> ReadinessCheck {
    ReadinessCheck {
      do {
        try await connection.waitUntilReady(timeout: patience)
        return nil
      } catch {
        return "the broker connection for \(role) is not up: \(error)"
      }
    }
  }
}

/// `/queues`: how much waits and runs, and who is there to do it; `/counters`: what has gone wrong since the server started.
struct QueueRoutes {
  let service: JobOperations

  func add(to routes: inout APIRoutes) {
    routes.get("/queues", .read, use: list)
    routes.get("/counters", .everyTenant(.operate), use: counters)
  }

  @Sendable private func list(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    _ = try QueryParameters(request.uri, known: [])
    return try .json(QueueList(queues: try await service.queues(seenBy: try context.caller)))
  }

  @Sendable private func counters(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    _ = try QueryParameters(request.uri, known: [])
    return try .json(service.counters)
  }
}

/// `/workers`: who is there.
struct WorkerRoutes {
  let service: JobOperations

  func add(to routes: inout APIRoutes) {
    routes.get("/workers", .everyTenant(.operate), use: list)
  }

  @Sendable private func list(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    _ = try QueryParameters(request.uri, known: [])
    return try .json(WorkerList(workers: try await service.workers()))
  }
}

/// `/prune`: has removed what is not kept any longer, or says what that would be.
struct PruneRoute {
  /// How long a request prunes: well within the patience of clients and proxies.
  static let limit = Duration.seconds(5)

  let service: JobOperations

  func add(to routes: inout APIRoutes) {
    routes.post("/prune", .everyTenant(.operate), use: prune)
  }

  @Sendable private func prune(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let dryRun = try QueryParameters(request.uri, known: ["dry_run"]).flag("dry_run")
    return try .json(try await service.prune(dryRun: dryRun, within: Self.limit))
  }
}
