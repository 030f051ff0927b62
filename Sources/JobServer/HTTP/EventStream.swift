import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Jobs
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// Text of a stream of server-sent events (WHATWG HTML, section 9.2).
struct ServerSentEvents: Sendable, Hashable {
  private(set) var bytes: [UInt8] = []

  var isEmpty: Bool { bytes.isEmpty }

  /// What a stream begins with: after how long a client is to come back, and from where on. So one that is cut off before
  /// its first event misses none.
  mutating func begin(retry: Duration, at position: Int64?) {
    bytes += "retry: \(retry.milliseconds)\n".utf8
    if let position { bytes += "id: \(position)\n".utf8 }
    bytes += "\n".utf8
  }

  /// Shows that the stream lives, and how far the log was looked through. An event without data is none: a client keeps the id.
  mutating func heartbeat(at position: Int64?) {
    bytes += ": heartbeat\n".utf8
    if let position { bytes += "id: \(position)\n".utf8 }
    bytes += "\n".utf8
  }

  /// - Parameter id: where a client goes on that comes back after this event; `nil` leaves it where it was.
  mutating func event(_ name: String, id: Int64? = nil, _ data: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    event(name, id: id, json: try encoder.encode(data))
  }

  mutating func transition(_ event: JobEvent) {
    self.event("transition", id: event.sequence, json: event.json)
  }

  /// JSON has no line ends of its own.
  private mutating func event(_ name: String, id: Int64?, json: some Collection<UInt8>) {
    if let id { bytes += "id: \(id)\n".utf8 }
    bytes += "event: \(name)\ndata: ".utf8
    bytes += json
    bytes += "\n\n".utf8
  }
}

/// What a stream is made of.
protocol EventSource: Sendable {
  /// What is to be sent now, and whether to ask again at once.
  ///
  /// - Returns: `nil` at the end of the stream.
  mutating func next() async throws -> (text: ServerSentEvents, hasMore: Bool)?
  /// Up to where the log was looked through; `nil` where a client need not know.
  var heartbeatPosition: Int64? { get }
  /// How long a reader is left alone after it was told something, so that what happens often is told together.
  var pause: Duration { get }
}

/// Writes one stream to one client, as fast as that reads. A client that does not read at all is let go by
/// ``StalledWriteHandler``.
struct EventStream: Sendable {
  /// After how long without anything else something is sent.
  static let heartbeat = Duration.seconds(15)
  /// After how long a client that was cut off is to come back.
  static let retry = Duration.seconds(1)

  let wake: StreamWake
  let clock: any ServerClock
  let log: ServerLog
  /// Held for as long as the stream is.
  let held: [any Sendable]
  /// Asked with each heartbeat: a token that was revoked, or has expired, ends the stream.
  var isAllowed: @Sendable () async -> Bool = { true }

  func response(to request: Request, _ source: some EventSource) -> Response {
    Response(
      status: .ok, headers: Self.headers,
      body: ResponseBody { writer in
        // Whoever waits for the client's going uses up what the next request would be read from.
        try await withGracefulShutdownHandler {
          try await request.body.consumeWithInboundCloseHandler { _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
              group.addTask { await beat() }
              defer { group.cancelAll() }
              try await write(source, to: &writer)
            }
          } onInboundClosed: {
            wake.close()
          }
        } onGracefulShutdown: {
          wake.close()
        }
        try await writer.finish(nil)
        withExtendedLifetime(held) {}
      })
  }

  /// What a stream's response has, which HEAD asks for.
  static let headers: HTTPFields = {
    var headers: HTTPFields = [
      .contentType: "text/event-stream", .cacheControl: "no-store", .connection: "close",
    ]
    // A proxy is not to gather events before it passes them on (nginx).
    if let name = HTTPField.Name("X-Accel-Buffering") { headers[name] = "no" }
    return headers
  }()

  private func beat() async {
    while (try? await clock.sleep(for: Self.heartbeat)) != nil { wake.raiseHeartbeat() }
  }

  private func write(
    _ source: some EventSource, to writer: inout any ResponseBodyWriter
  ) async throws {
    var source = source
    while !wake.isClosed, !Task.isCancelled {
      let next: (text: ServerSentEvents, hasMore: Bool)?
      do {
        next = try await source.next()
      } catch {
        // The client comes back, and goes on where it was.
        log.count(\.storeFailures)
        log.burst(.error, "a stream of events has ended early", ["error": "\(error)"])
        return
      }
      guard let next else { return }
      var text = next.text
      // Also in the middle of a long search: the client is told how far that is.
      let isHeartbeatDue = wake.takeHeartbeat()
      if isHeartbeatDue, await !isAllowed() { return }
      if text.isEmpty, isHeartbeatDue { text.heartbeat(at: source.heartbeatPosition) }
      if !text.isEmpty { try await writer.write(ByteBuffer(bytes: text.bytes)) }
      if next.hasMore { continue }
      if !text.isEmpty, source.pause > .zero { try await clock.sleep(for: source.pause) }
      await wake.wait()
    }
  }
}

/// How many streams there are at once, and how many of them one tenant has.
final class StreamSlots: Sendable {
  /// Why there is none.
  enum Full: Error, Hashable {
    case server
    case tenant
  }

  let most: Int
  /// The most of one tenant.
  let share: Int
  /// Of tenants that have some.
  private let used = Mutex<[UUID: Int]>([:])

  /// - Parameter share: a quarter of all unless it is said.
  init(most: Int, share: Int? = nil) {
    self.most = most
    self.share = share ?? max(1, most / 4)
  }

  var count: Int { used.withLock { $0.values.reduce(0, +) } }

  func take(for tenant: UUID) throws(Full) -> Slot {
    let full: Full? = used.withLock { used in
      let own = used[tenant] ?? 0
      if own >= share { return .tenant }
      if used.values.reduce(0, +) >= most { return .server }
      used[tenant] = own + 1
      return nil
    }
    if let full { throw full }
    return Slot(self, tenant)
  }

  private func leave(_ tenant: UUID) {
    used.withLock { used in
      let others = (used[tenant] ?? 1) - 1
      used[tenant] = others > 0 ? others : nil
    }
  }

  /// Free again with its last reference: also where the response is never written.
  final class Slot: Sendable {
    private let slots: StreamSlots
    private let tenant: UUID

    fileprivate init(_ slots: StreamSlots, _ tenant: UUID) {
      self.slots = slots
      self.tenant = tenant
    }

    deinit { slots.leave(tenant) }
  }
}
