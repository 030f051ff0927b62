import HTTPTypes
import Hummingbird
import Jobs

/// `/prune`: has removed what is not kept any longer, or says what that would be.
struct PruneRoute {
  /// How long a request prunes: well within the patience of clients and proxies.
  static let limit = Duration.seconds(5)

  let service: JobService

  func add(to router: Router<BasicRequestContext>) {
    router.post("/prune", use: prune)
  }

  @Sendable private func prune(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    let dryRun = try QueryParameters(request.uri, known: ["dry_run"]).flag("dry_run")
    return try .json(try await service.prune(dryRun: dryRun, within: Self.limit))
  }
}
