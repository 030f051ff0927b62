import AsyncHTTPClient
import Foundation
import HTTPTypes
import HummingbirdTesting
import JobStore
import Jobs
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle
import TestSupport
import Testing

@testable import JobServer

@Suite("Streams of events", .timeLimit(.minutes(2)))
struct EventRoutesTests {
  // MARK: One job

  @Test("a job that has ended is told from its beginning to its end")
  func endedJob() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.complete(job)
      try await fixture.test { client in
        let response = try await client.send(.get, "/jobs/\(job.id)/events")
        #expect(response.status == .ok)
        #expect(response.headers[.contentType] == "text/event-stream")
        let text = String(buffer: response.body)
        let ids = Self.lines("id: ", text)
        #expect(ids.first == "0")
        #expect(Self.events(text) == ["transition", "transition", "transition", "end"])
        #expect(text.hasSuffix("event: end\ndata: {\"status\":\"completed\"}\n\n"))
        // From the second on.
        let rest = try await client.send(
          .get, "/jobs/\(job.id)/events?last_event_id=\(ids[1])")
        #expect(Self.events(String(buffer: rest.body)) == ["transition", "transition", "end"])
        // Nothing is left: an EventSource is not to come back.
        let none = try await client.send(
          .get, "/jobs/\(job.id)/events", headers: try Self.last(ids[3]))
        #expect(none.status == .noContent)
      }
    }
  }

  @Test("an id that was never given is told, and the job from its beginning")
  func otherStore() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.complete(job)
      try await fixture.test { client in
        let response = try await client.send(
          .get, "/jobs/\(job.id)/events", headers: try Self.last("99999"))
        let text = String(buffer: response.body)
        #expect(
          Self.events(text) == ["missed", "transition", "transition", "transition", "end"])
        #expect(Self.lines("id: ", text).first == "0")
      }
    }
  }

  @Test("another tenant's job is not there", arguments: ["events", "history"])
  func tenants(route: String) async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled(tenant: UUID())
      try await fixture.test { client in
        let problem = try await client.problem(.get, "/jobs/\(job.id)/\(route)")
        #expect(problem.type == "/problems/not-found")
      }
    }
  }

  @Test("the history of a job is answered in its order, after a number")
  func history() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.complete(job)
      try await fixture.test { client in
        let all: JobHistory = try await client.read(.get, "/jobs/\(job.id)/history")
        #expect(all.events.map(\.to) == [.waiting, .running, .completed])
        #expect(all.next == nil)
        let rest: JobHistory = try await client.read(
          .get, "/jobs/\(job.id)/history?after=\(all.events[0].sequence)")
        #expect(rest.events == Array(all.events.dropFirst()))
      }
    }
  }

  @Test("a running job tells its progress, and one that is deleted that it is gone")
  func progress() async throws {
    try await Served.with { served in
      let job = try await served.fixture.scheduled()
      try await served.read("/jobs/\(job.id)/events") { stream in
        try await stream.until { Self.events($0) == ["transition"] }
        try await served.fixture.start(job)
        try await stream.until { $0.contains("event: progress") }
        let text = stream.text
        #expect(text.contains(#""status":"running""#))
      }
      let other = try await served.fixture.scheduled()
      try await served.read("/jobs/\(other.id)/events") { stream in
        try await stream.until { $0.contains("event: transition") }
        _ = try await served.fixture.service.delete(other.id, tenant: .zero)
        try await stream.until { $0.hasSuffix("event: end\ndata: {}\n\n") }
      }
    }
  }

  // MARK: All jobs

  @Test("tells what happens from now on, and goes on after any id")
  func live() async throws {
    try await Served.with { served in
      let before = try await served.fixture.scheduled()
      var ids: [String] = []
      try await served.read("/events") { stream in
        try await stream.until { $0.contains("retry: 1000") }
        let job = try await served.fixture.scheduled()
        try await served.fixture.complete(job)
        _ = try await served.fixture.scheduled(tenant: UUID())
        // The worker of the fixture takes the older job as well, and gives it back.
        try await stream.until { $0.contains("completed") }
        #expect(stream.text.contains(job.id.description))
        ids = Self.lines("id: ", stream.text)
        #expect(ids == ids.sorted { Int($0) ?? 0 < Int($1) ?? 0 })
      }
      try await served.read("/events", last: ids[1]) { stream in
        try await stream.until { Self.lines("id: ", $0).last == ids.last }
        #expect(Self.lines("id: ", stream.text) == Array(ids.dropFirst()))
      }
      try await served.read("/events?last_event_id=0&status=waiting&type=files:checksum") {
        stream in
        try await stream.until { Self.events($0).count >= 2 }
        #expect(stream.text.contains(before.id.description))
        #expect(!stream.text.contains(#""to":"running""#))
      }
      #expect(await served.areFree())
    }
  }

  @Test("who comes back too late is told what is gone, once")
  func missed() async throws {
    try await Served.with { served in
      let jobs = [
        try await served.fixture.scheduled(), try await served.fixture.scheduled(),
        try await served.fixture.scheduled(),
      ]
      _ = try await served.fixture.service.delete(jobs[1].id, tenant: .zero)
      try await served.read("/events?last_event_id=1") { stream in
        try await stream.until { Self.events($0).count == 2 }
        #expect(Self.events(stream.text) == ["missed", "transition"])
        #expect(stream.text.contains(#""after":1,"#) && stream.text.contains(#""to":2"#))
        let next = try await served.fixture.scheduled()
        try await stream.until { $0.contains(next.id.description) }
        #expect(Self.events(stream.text) == ["missed", "transition", "transition"])
      }
    }
  }

  @Test("no more streams than there may be; HEAD takes none, and does not wait")
  func limit() async throws {
    try await Served.with(streams: 1) { served in
      try await served.read("/events") { stream in
        try await stream.until { $0.contains("retry") }
        let refused = try await served.get("/events")
        #expect(refused.status == .serviceUnavailable)
        #expect(refused.headers.first(name: "retry-after") == "10")
        let text = String(buffer: try await refused.body.collect(upTo: 1 << 16))
        #expect(text.contains("http.max_streams_per_tenant"))
        let other = try await served.get("/events", tenant: UUID())
        #expect(other.status == .serviceUnavailable)
        let why = String(buffer: try await other.body.collect(upTo: 1 << 16))
        #expect(why.contains("(http.max_streams)"))
        let head = try await served.get("/events", method: .HEAD)
        #expect(head.status == .ok)
        #expect(head.headers.first(name: "content-type") == "text/event-stream")
      }
      #expect(await served.areFree())
      try await served.read("/events") { try await $0.until { $0.contains("retry") } }
    }
  }

  @Test("a stream is none of the requests that a tenant has under way, and is refused by none")
  func concurrency() async throws {
    try await Served.with(limits: TenantLimits(concurrency: 1)) { served in
      let job = try await served.fixture.scheduled()
      try await served.read("/events") { stream in
        try await stream.until { $0.contains("retry") }
        try await served.read("/jobs/\(job.id)/events") { other in
          try await other.until { $0.contains("transition") }
          #expect(try await served.get("/jobs").status == .ok)
          async let waited = served.get("/jobs/\(job.id)/wait?timeout=20")
          try await served.fixture.until(isWatched: true, job.id)
          #expect(try await served.get("/jobs").status == .serviceUnavailable)
          try await served.read("/events") { try await $0.until { $0.contains("retry") } }
          try await served.fixture.complete(job)
          #expect(try await waited.status == .ok)
        }
      }
    }
  }

  @Test(
    "what is wrong is said",
    arguments: [
      ("/events?status=done", "status"), ("/events?type=x", "type"), ("/events?queue=", "queue"),
      ("/events?last_event_id=-1", "last_event_id"), ("/events?after=1", "after"),
      ("/events?last_event_id=99999999999999999999", "last_event_id"),
    ])
  func invalid(uri: String, name: String) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let problem = try await client.problem(.get, uri)
        #expect(problem.type == "/problems/invalid-parameter")
        #expect(problem.detail.contains(name))
      }
    }
  }

  @Test("a header that is no id is refused", arguments: ["", "x", "1x", "-1"])
  func invalidHeader(text: String) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let problem = try await client.problem(.get, "/events", headers: try Self.last(text))
        #expect(problem.type == "/problems/invalid-parameter")
        #expect(problem.detail.contains("Last-Event-ID"))
      }
    }
  }

  @Test("a server that is told to stop ends its streams")
  func stops() async throws {
    try await Served.with { served in
      try await served.read("/events") { stream in
        try await stream.until { $0.contains("retry") }
        await served.group.triggerGracefulShutdown()
        try await stream.untilEnd()
      }
    }
  }

  @Test("a client that does not read is let go, and holds up no other")
  func stuckClient() async throws {
    try await Served.with(stallLimit: .milliseconds(300)) { served in
      let fixture = served.fixture
      // More than the sockets' buffers take.
      let error = String(repeating: "x", count: 4000)
      let jobs = try (0..<3000).map { _ in
        var job = Job(
          id: JobID(), tenantID: .zero, userID: .zero, idempotencyKey: UUID(),
          type: try JobTypeID("files:count"), queue: .compute, params: [:], timeout: .zero,
          retry: .never, priority: JobPriority.standard, scheduledAt: .now, createdAt: .now)
        job.status = .failed
        job.error = error
        return NewJob(job, submitted: [:])
      }
      _ = try await fixture.store.insert(jobs, at: .now)
      let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .channelOption(.autoRead, value: false)
        .channelOption(.socketOption(.so_rcvbuf), value: 4096)
        .connect(host: "127.0.0.1", port: served.port).get()
      try await channel.writeAndFlush(
        ByteBuffer(string: "GET /events?last_event_id=0 HTTP/1.1\r\nHost: a\r\n\r\n"))
      try await served.until("it reads") { fixture.service.hub.feed.readerCount == 1 }
      try await served.read("/events") { stream in
        try await stream.until { $0.contains("retry") }
        let job = try await fixture.scheduled()
        try await stream.until { $0.contains(job.id.description) }
      }
      #expect(await served.areFree())
      try? await channel.close()
    }
  }

  // MARK: Reading

  private static func last(_ id: String) throws -> HTTPFields {
    [try #require(HTTPField.Name("Last-Event-ID")): id]
  }

  private static func lines(_ prefix: String, _ text: String) -> [String] {
    text.split(separator: "\n").filter { $0.hasPrefix(prefix) }
      .map { String($0.dropFirst(prefix.count)) }
  }

  private static func events(_ text: String) -> [String] { lines("event: ", text) }
}

/// A server on a free port, with what reads the log.
private struct Served: Sendable {
  let fixture: APIFixture
  let port: Int
  let group: ServiceGroup
  let streams: StreamSlots

  static func with(
    streams: Int = 10, limits: TenantLimits = TenantLimits(),
    stallLimit: TimeAmount = .seconds(30),
    _ body: @escaping @Sendable (Served) async throws -> Void
  ) async throws {
    try await APIFixture.with { fixture in
      let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
      var api = fixture.api
      api.streams = StreamSlots(most: streams, share: streams)
      api.limits = limits
      let server = HTTPServer(
        api: api, host: "127.0.0.1", port: 0, logger: fixture.service.logger,
        stallLimit: stallLimit
      ) { continuation.yield($0) }
      let tail = EventTail(
        feed: fixture.service.hub.feed, store: fixture.store, clock: fixture.service.clock,
        log: fixture.service.log)
      let group = ServiceGroup(services: [tail, server], logger: fixture.service.logger)
      let slots = api.streams
      try await withThrowingTaskGroup { tasks in
        tasks.addTask { try await group.run() }
        let bound = await bounded(.seconds(10)) { await ports.first { _ in true } }
        let served = Served(
          fixture: fixture, port: try #require(bound ?? nil), group: group, streams: slots)
        do {
          try await body(served)
        } catch {
          await group.triggerGracefulShutdown()
          throw error
        }
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
      }
    }
  }

  func get(
    _ path: String, method: HTTPMethod = .GET, tenant: UUID? = nil
  ) async throws -> HTTPClientResponse {
    var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
    request.method = method
    if let tenant { request.headers.add(name: "X-Tenant-ID", value: tenant.uuidString) }
    return try await HTTPClient.shared.execute(request, timeout: .seconds(20))
  }

  /// Reads a stream for as long as the body takes.
  func read(
    _ path: String, last: String? = nil, _ body: (Stream) async throws -> Void
  ) async throws {
    var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
    if let last { request.headers.add(name: "Last-Event-ID", value: last) }
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
    #expect(response.status == .ok)
    try await body(Stream(response.body))
  }

  func until(_ what: Comment, _ condition: () -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(20)
    while !condition() {
      try #require(ContinuousClock.now < deadline, what)
      await Task.yield()
    }
  }

  /// Whether all streams come to be free.
  func areFree() async -> Bool {
    let feed = fixture.service.hub.feed
    return
      (try? await until("free") {
        streams.count == 0 && feed.readerCount == 0 && feed.followerCount == 0
      }) != nil
  }

  final class Stream {
    private(set) var text = ""
    private var iterator: HTTPClientResponse.Body.AsyncIterator

    init(_ body: HTTPClientResponse.Body) {
      iterator = body.makeAsyncIterator()
    }

    /// The suite's limit bounds it.
    func until(_ condition: (String) -> Bool) async throws {
      while !condition(text) {
        let part = try await iterator.next()
        text += String(buffer: try #require(part, "the stream has ended after \(text)"))
      }
    }

    func untilEnd() async throws {
      while let part = try await iterator.next() { text += String(buffer: part) }
    }
  }
}
