import Foundation
import HTTPTypes
import Hummingbird
import Jobs
import Synchronization

/// Refuses what a tenant asks beyond its limits: 429 for the rate, 503 for too much at once.
///
/// It goes by the caller's tenant, as everything does.
///
/// Streams of events are not among what is under way, since none makes room for another in a moment: ``StreamSlots`` has them.
struct AdmissionMiddleware: RouterMiddleware {
  /// Whoever supervises the process always gets an answer.
  static var unlimited: Set<String> { ["healthz", "readyz"] }

  let gate: TenantGate

  func handle(
    _ request: Request, context: APIContext,
    next: (Request, APIContext) async throws -> Response
  ) async throws -> Response {
    let components = request.uri.path.split(separator: "/")
    if components.count == 1, Self.unlimited.contains(String(components[0])) {
      return try await next(request, context)
    }
    // Who is not known is refused by the route, and not at anybody's expense.
    guard let caller = try? context.caller else { return try await next(request, context) }
    let place = try gate.enter(caller.tenant, isStream: Self.isStream(components))
    var response = try await next(request, context)
    // A request is under way until its answer is sent; one that is never sent lets go of its body.
    let body = response.body
    response.body = ResponseBody(contentLength: body.contentLength) { writer in
      try await body.write(writer)
      withExtendedLifetime(place) {}
    }
    return response
  }

  /// `/events` and `/jobs/{id}/events`.
  private static func isStream(_ components: [Substring]) -> Bool {
    components.last == "events"
      && (components.count == 1 || components.count == 3 && components[0] == "jobs")
  }
}

/// Who has how many requests left, and under way.
final class TenantGate: Sendable {
  private struct State {
    var buckets: TenantBuckets?
    /// Of tenants that have some.
    var underWay: [UUID: Int] = [:]
  }

  private let limits: TenantLimits
  private let clock: any ServerClock
  private let state: Mutex<State>

  init(_ limits: TenantLimits, clock: any ServerClock = SystemClock()) {
    self.limits = limits
    self.clock = clock
    state = Mutex(State(buckets: limits.bucket.map { TenantBuckets($0) }))
  }

  /// A request that is under way, until it is let go of.
  final class Place: Sendable {
    private let tenant: UUID
    private let gate: TenantGate

    fileprivate init(_ tenant: UUID, of gate: TenantGate) {
      self.tenant = tenant
      self.gate = gate
    }

    deinit { gate.leave(tenant) }
  }

  /// - Parameter isStream: whether only the rate counts.
  /// - Returns: the place of the request; `nil` where requests under way are not limited.
  /// - Throws: ``APIProblem`` when the tenant has to wait.
  func enter(_ tenant: UUID, isStream: Bool = false) throws(APIProblem) -> Place? {
    let limit = isStream ? 0 : limits.concurrency
    let uptime = clock.uptime
    let refusal: APIProblem? = state.withLock { state in
      let underWay = state.underWay[tenant] ?? 0
      if limit > 0, underWay >= limit { return .concurrencyExceeded(limit) }
      if let wait = state.buckets?.take(tenant, at: uptime) { return .rateExceeded(limits, wait) }
      if limit > 0 { state.underWay[tenant] = underWay + 1 }
      return nil
    }
    if let refusal { throw refusal }
    return limit > 0 ? Place(tenant, of: self) : nil
  }

  /// How many tenants have requests under way.
  var tenants: Int { state.withLock { $0.underWay.count } }

  private func leave(_ tenant: UUID) {
    state.withLock { state in
      let others = (state.underWay[tenant] ?? 1) - 1
      state.underWay[tenant] = others > 0 ? others : nil
    }
  }
}

extension APIProblem {
  fileprivate static func concurrencyExceeded(_ limit: Int) -> APIProblem {
    APIProblem(
      .concurrencyExceeded,
      "\(limit) requests of the tenant are under way, and it may have no more at once; ask again"
        + " in \(overloadedRetryAfter) s",
      headers: [.retryAfter: String(overloadedRetryAfter)])
  }

  fileprivate static func rateExceeded(_ limits: TenantLimits, _ wait: Duration) -> APIProblem {
    let seconds = max(1, Int(wait.seconds.rounded(.up)))
    let burst = Int(limits.bucket?.burst ?? 1)
    let rate = Int(exactly: limits.rate).map(String.init) ?? String(limits.rate)
    return APIProblem(
      .rateExceeded,
      "the tenant may send \(rate) requests a second, and \(burst) at once; ask again in \(seconds) s",
      headers: [.retryAfter: String(seconds)])
  }
}
