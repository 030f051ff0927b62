import Foundation
import Jobs

/// The transitions of a tenant's jobs, as far as a filter lets them pass.
struct LogEventSource: EventSource {
  /// The most transitions that are sent at once.
  static let batch = 500

  let feed: EventFeed
  let store: any JobStore
  let filter: EventFilter
  let start: StreamStart
  /// Up to where the log was looked through.
  private var position: Int64
  /// Up to which number the client was told that something is missing.
  private var told: Int64 = 0
  private var hasBegun = false

  init(feed: EventFeed, store: any JobStore, filter: EventFilter, start: StreamStart) {
    self.feed = feed
    self.store = store
    self.filter = filter
    self.start = start
    position = start.position
  }

  var heartbeatPosition: Int64? { position }
  var pause: Duration { .zero }

  mutating func next() async throws -> (text: ServerSentEvents, hasMore: Bool)? {
    var text = ServerSentEvents()
    if !hasBegun {
      hasBegun = true
      text.begin(retry: EventStream.retry, at: position)
      if let missed = start.missed { try text.event("missed", id: position, missed) }
    }
    let page = try await feed.read(
      after: position, matching: filter, limit: Self.batch, from: store)
    let removed = page.removed.values.max() ?? 0
    if removed > position, removed > told {
      told = removed
      try text.event(
        "missed",
        MissedEvents(
          after: position, to: removed,
          detail: "transitions after \(position) are gone with their jobs, which were deleted or"
            + " pruned, the newest of them \(removed); what is still there follows"))
    }
    for logged in page.events { text.transition(logged.event) }
    position = page.position
    return (text, !page.isEnd)
  }
}

/// The transitions of one job and, between them, its progress; it ends with the job.
struct JobEventSource: EventSource {
  let service: JobOperations
  let id: JobID
  let tenant: UUID
  let start: StreamStart
  private var position: Int64
  private var lastProgress: JobProgressEvent?
  private var hasBegun = false
  private var hasEnded = false

  init(service: JobOperations, id: JobID, tenant: UUID, start: StreamStart) {
    self.service = service
    self.id = id
    self.tenant = tenant
    self.start = start
    position = start.position
  }

  /// What a client has of it, its last event says.
  var heartbeatPosition: Int64? { nil }
  var pause: Duration { .milliseconds(200) }

  mutating func next() async throws -> (text: ServerSentEvents, hasMore: Bool)? {
    if hasEnded { return nil }
    var text = ServerSentEvents()
    if !hasBegun {
      hasBegun = true
      text.begin(retry: EventStream.retry, at: position)
      if let missed = start.missed { try text.event("missed", id: position, missed) }
    }
    // The job before its log: what is final then has its last transition there.
    guard let job = try await service.store.job(id, tenant: tenant) else {
      return try end(text, status: nil)
    }
    let events = try await service.store.events(
      of: id, after: position, limit: LogEventSource.batch)
    for event in events { text.transition(event) }
    position = events.last?.sequence ?? position
    guard events.count < LogEventSource.batch else { return (text, true) }
    if job.status.isFinal { return try end(text, status: job.status) }
    let progress = JobProgressEvent(of: job)
    if job.status.isHeld, progress != lastProgress {
      lastProgress = progress
      try text.event("progress", progress)
    }
    return (text, false)
  }

  private mutating func end(
    _ text: ServerSentEvents, status: JobStatus?
  ) throws -> (text: ServerSentEvents, hasMore: Bool) {
    var text = text
    hasEnded = true
    try text.event("end", JobEventsEnd(status: status))
    return (text, true)
  }
}

/// Where a stream begins.
struct StreamStart: Sendable, Hashable {
  /// What follows this number is sent.
  let position: Int64
  /// What the client is told first.
  var missed: MissedEvents?

  /// - Parameters:
  ///   - last: the last event that the client has got; `nil` for one that comes for the first time.
  ///   - newest: the highest number that the log has ever had.
  ///   - beginning: where a stream begins without a last event.
  init(after last: Int64?, newest: Int64, beginning: Int64) {
    guard let last, last > newest else {
      position = last ?? beginning
      return
    }
    // Another store stands in the place of the one that the client has read.
    position = beginning
    missed = MissedEvents(
      after: last, to: newest,
      detail: "there is no event \(last): the newest ever was \(newest), so that the store must be"
        + " another one; the stream goes on after \(beginning)")
  }
}
