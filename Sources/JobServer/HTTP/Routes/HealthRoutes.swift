import HTTPTypes
import Hummingbird

/// `/healthz` and `/readyz`, for whoever supervises the process.
struct HealthRoutes {
  let checks: [ReadinessCheck]

  func add(to router: Router<BasicRequestContext>) {
    router.get("/healthz") { _, _ in try Response.json(["status": "ok"]) }
    router.get("/readyz", use: ready)
  }

  /// 200 only when jobs can be accepted and handed out.
  @Sendable private func ready(
    _ request: Request, _ context: BasicRequestContext
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
