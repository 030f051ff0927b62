import Hummingbird
import Logging

/// The HTTP API: which routes there are, and what surrounds them.
struct JobAPI: Sendable {
  let service: JobService
  /// The largest request body, in bytes.
  let maxBodyBytes: Int
  /// What `/readyz` looks at.
  let readiness: [ReadinessCheck]

  func router() -> Router<BasicRequestContext> {
    let router = Router(options: .autoGenerateHeadEndpoints)
    router.add(middleware: LogRequestsMiddleware(.debug))
    router.add(middleware: ProblemMiddleware())
    JobRoutes(service: service, body: JSONBody(limit: maxBodyBytes)).add(to: router)
    JobWaitRoute(service: service).add(to: router)
    JobTypeRoutes(service: service).add(to: router)
    JobGroupRoutes(service: service).add(to: router)
    QueueRoutes(service: service).add(to: router)
    WorkerRoutes(service: service).add(to: router)
    PruneRoute(service: service).add(to: router)
    HealthRoutes(checks: readiness).add(to: router)
    // A middleware applies to the routes that come after it: this one only to what no route takes.
    router.add(middleware: UnknownPathMiddleware(router: router))
    return router
  }
}
