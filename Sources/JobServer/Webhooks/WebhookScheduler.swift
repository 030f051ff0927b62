import Jobs
import Logging
import ServiceLifecycle

/// Makes a delivery for each end of a job and each endpoint that is told of it.
///
/// It reads the transition log, from where it was, and stores how far it is together with the deliveries that it makes: each is
/// made once, whatever happens to the server. What was before the first endpoint was there is told to nobody.
struct WebhookScheduler: Service {
  /// As the store calls it.
  static let reader = "webhooks"
  /// How many transitions are looked at in one go.
  static let pageSize = 500
  /// About how much params and results are looked at in one go.
  static let mostBytes = 8 << 20
  /// Under load it waits a moment after each turn, so that the next one finds many.
  static let interval = Duration.milliseconds(20)

  let endpoints: [WebhookEndpoint]
  let store: any JobStore
  /// Raised when a job has ended.
  let ends: Signal
  let clock: any ServerClock
  let log: ServerLog

  func run() async throws {
    await cancelWhenGracefulShutdown {
      var place = await clock.untilDone { () throws(StoreError) in
        try await start()
      } failed: {
        noteFailure($0)
      }
      while let current = place, !Task.isCancelled {
        do throws(StoreError) {
          let next = try await turn(from: current)
          place = next
          if next == current { await ends.wait(atMost: nil, clock: clock) }
          guard (try? await clock.sleep(for: Self.interval)) != nil else { return }
        } catch {
          noteFailure(error)
          guard (try? await clock.sleep(for: .seconds(1))) != nil else { return }
        }
      }
    }
  }

  private func noteFailure(_ error: StoreError) {
    log.count(\.storeFailures)
    log.burst(
      .error, "deliveries to webhooks cannot be made now; it is tried again",
      ["error": "\(error)"])
  }

  /// While there are no endpoints, what ends is told to nobody, and not later either.
  func forget() async throws(StoreError) {
    guard try await store.place(ofReader: Self.reader) != nil else { return }
    _ = try await store.moveReader(Self.reader, to: nil, inserting: [], at: clock.now)
  }

  /// Where to go on reading: at first what is new from now on.
  func start() async throws(StoreError) -> Int64 {
    if let known = try await store.place(ofReader: Self.reader) { return known }
    let newest = try await store.newestEvent()
    _ = try await store.moveReader(Self.reader, to: newest, inserting: [], at: clock.now)
    return newest
  }

  /// Reads what follows, and makes deliveries of it.
  ///
  /// - Returns: how far it came; the same place where there is nothing more.
  func turn(from place: Int64) async throws(StoreError) -> Int64 {
    let page = try await store.events(
      after: place, matching: EventFilter(statuses: WebhookEndpoint.ends), limit: Self.pageSize)
    let events = page.events.filter { !$0.event.type.isReserved }
    let findings = try await store.find(
      events.map { .id($0.event.job, tenant: $0.tenant) }, bytes: Self.mostBytes)
    var position = page.position
    var deliveries: [NewJob] = []
    let now = clock.now
    for (logged, finding) in zip(events, findings) {
      // The rest is for the next turn.
      if finding == .left {
        position = logged.event.sequence - 1
        break
      }
      // One that was deleted meanwhile is told of to nobody.
      guard case .found(let job) = finding, job.status == logged.event.to else { continue }
      deliveries += endpoints.filter { $0.wants(job) }.map {
        WebhookDelivery.job(telling: logged.event, of: job, to: $0, at: now)
      }
    }
    guard position > place else { return place }
    let insertions = try await store.moveReader(
      Self.reader, to: position, inserting: deliveries, at: now)
    for (delivery, insertion) in zip(deliveries, insertions) {
      switch insertion {
      case .created, .repeated: break
      default:
        log.burst(
          .error, "a delivery to a webhook could not be stored, and is left out",
          ["delivery": "\(delivery.job.id)", "reason": "\(insertion)"])
      }
    }
    return position
  }
}

extension Catalog {
  /// Makes known what the server does by itself.
  func add(webhooks endpoints: [WebhookEndpoint]) async throws(StoreError) {
    guard !endpoints.isEmpty else { return }
    try await add(
      queues: [JobQueue(name: .warren, capacity: 1)]
        + endpoints.map { JobQueue(name: $0.queue, capacity: $0.concurrency) },
      groups: [WebhookDelivery.group], types: [WebhookDelivery.description])
  }
}
