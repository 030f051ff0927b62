import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Jobs

/// The streams `/events` and `/jobs/{id}/events`, and `/jobs/{id}/history`.
struct EventStreamRoutes {
  let service: JobOperations
  let slots: StreamSlots

  func add(to routes: inout APIRoutes) {
    routes.get("/events", .read, use: events)
    routes.get("/jobs/:id/events", .read, use: jobEvents)
    routes.get("/jobs/:id/history", .read, use: history)
  }

  @Sendable private func events(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let caller = try context.caller
    let query = try EventQuery(request.uri, request.headers, filters: true)
    if request.method == .head { return head }
    let wake = StreamWake()
    let slot = try takeSlot(for: caller.tenant)
    // Before the first look at the log, so that nothing falls in between.
    let subscription = service.hub.feed.subscribe(wake)
    let newest = try await newest()
    var filter = query.filter
    filter.tenant = caller.tenant
    filter.scope = caller.scope
    return stream(wake, context, [slot, subscription]).response(
      to: request,
      LogEventSource(
        feed: service.hub.feed, store: service.store, filter: filter,
        start: StreamStart(after: query.last, newest: newest, beginning: newest)))
  }

  @Sendable private func jobEvents(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let tenant = try context.caller.tenant
    let id = try await context.jobID(readFrom: service)
    let query = try EventQuery(request.uri, request.headers, filters: false)
    let job = try await service.job(id, tenant: tenant)
    let start = StreamStart(after: query.last, newest: try await newest(), beginning: 0)
    if let last = query.last, job.status.isFinal, start.missed == nil,
      try await history(of: id, after: last, limit: 1).isEmpty
    {
      // Tells an EventSource not to come back (WHATWG HTML, section 9.2.3).
      return Response(status: .noContent)
    }
    if request.method == .head { return head }
    let wake = StreamWake()
    let slot = try takeSlot(for: tenant)
    let subscription = service.hub.feed.follow(id, wake)
    return stream(wake, context, [slot, subscription]).response(
      to: request, JobEventSource(service: service, id: id, tenant: tenant, start: start))
  }

  @Sendable private func history(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let tenant = try context.caller.tenant
    let id = try await context.jobID(readFrom: service)
    let after = try QueryParameters(request.uri, known: ["after"]).integer(
      "after", in: 0...Int.max, default: 0)
    _ = try await service.job(id, tenant: tenant)
    let events = try await history(
      of: id, after: Int64(after), limit: JobHistory.mostEvents + 1)
    let shown = Array(events.prefix(JobHistory.mostEvents))
    return .json(
      JobHistory(
        events: shown, next: events.count > shown.count ? shown.last?.sequence : nil))
  }

  private var head: Response { Response(status: .ok, headers: EventStream.headers) }

  private func stream(
    _ wake: StreamWake, _ context: APIContext, _ held: [any Sendable]
  ) -> EventStream {
    EventStream(
      wake: wake, clock: service.clock, log: service.log, held: held,
      isAllowed: context.isStillAllowed)
  }

  private func newest() async throws(JobOperationError) -> Int64 {
    try await service.reading { () throws(StoreError) in try await service.store.newestEvent() }
  }

  private func history(
    of id: JobID, after sequence: Int64, limit: Int
  ) async throws(JobOperationError) -> [JobEvent] {
    try await service.reading { () throws(StoreError) in
      try await service.store.events(of: id, after: sequence, limit: limit)
    }
  }

  private func takeSlot(for tenant: UUID) throws(APIProblem) -> StreamSlots.Slot {
    do {
      return try slots.take(for: tenant)
    } catch {
      let full =
        switch error {
        case .server:
          "\(slots.most) streams of events are open, the most that this server takes"
            + " (http.max_streams)"
        case .tenant:
          "\(slots.share) streams of events of the tenant are open, the most that one may have"
            + " (http.max_streams_per_tenant)"
        }
      throw APIProblem(
        .tooManyStreams,
        "\(full); one of them has to end first, which may take long; ask again in"
          + " \(APIProblem.streamRetryAfter) s at the earliest",
        headers: [.retryAfter: String(APIProblem.streamRetryAfter)])
    }
  }
}

/// Which events a client wants, and from where on.
struct EventQuery: Equatable {
  static let header = "Last-Event-ID"
  static let parameter = "last_event_id"

  /// The last event that the client has got; `nil` where it has got none.
  let last: Int64?
  /// Without a tenant.
  let filter: EventFilter

  /// - Parameter filters: whether the route knows others than where to begin.
  init(_ uri: URI, _ headers: HTTPFields, filters: Bool) throws(APIProblem) {
    let query = try QueryParameters(
      uri, known: [Self.parameter] + (filters ? ["status", "type", "queue"] : []))
    last = try Self.last(query, headers)
    filter = EventFilter(
      statuses: try JobListQuery.statuses(query),
      types: try Self.list(query, "type", "takes job types, group:name") { try? JobTypeID($0) },
      queues: try Self.list(query, "queue", "takes names of job queues") { try? JobQueueName($0) })
  }

  /// The header wins: a client that reconnects repeats the URL that it was given first.
  private static func last(
    _ query: QueryParameters, _ headers: HTTPFields
  ) throws(APIProblem) -> Int64? {
    let values = headers.filter { $0.name.canonicalName == header.lowercased() }.map(\.value)
    guard values.count < 2 else {
      throw APIProblem(.invalidParameter, "the header \(header) is given twice")
    }
    if let text = values.first {
      guard let id = id(text) else {
        throw APIProblem(
          .invalidParameter,
          "the header \(header) must be the id of an event, a number, not '\(text.prefix(100))'")
      }
      return id
    }
    guard let text = query[parameter] else { return nil }
    guard let id = id(text) else {
      throw .parameter(parameter, "must be the id of an event, a number", text)
    }
    return id
  }

  private static func id(_ text: String) -> Int64? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int64(text)
  }

  private static func list<Element: Hashable>(
    _ query: QueryParameters, _ name: String, _ rule: String, _ read: (String) -> Element?
  ) throws(APIProblem) -> Set<Element> {
    guard let text = query[name] else { return [] }
    var elements: Set<Element> = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let element = read(String(word)) else {
        throw .parameter(name, rule + ", several separated by commas", String(word))
      }
      elements.insert(element)
    }
    return elements
  }
}
