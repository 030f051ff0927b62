import Foundation
import HTTPTypes
import HummingbirdTesting
import Jobs
import Logging
import NIOCore
import ServiceLifecycle
import TestSupport
import Testing

@testable import JobServer

@Suite("The HTTP server, over a socket", .timeLimit(.minutes(2)))
struct HTTPServerTests {
  @Test("it tells the port that it took, and answers there")
  func port() async throws {
    try await withServer { fixture, port, _ in
      try await withClient(port) { client in
        let response = try await client.get("/healthz")
        #expect(response.status == .ok)
        #expect(response.headers[.contentType] == "application/json")
      }
    }
  }

  @Test("a client that goes frees its wait")
  func clientGoes() async throws {
    try await withServer { fixture, port, _ in
      let job = try await fixture.scheduled()
      try await withClient(port) { client in
        try await client.executeAndDontWaitForResponse(
          .init("/jobs/\(job.id)/wait?timeout=60", method: .get, authority: "localhost"))
        try await fixture.until(isWatched: true, job.id)
        try await client.getChannel().close()
        try await fixture.until(isWatched: false, job.id)
      }
    }
  }

  @Test("a wait over a socket ends with the job, and the connection with the answer")
  func waitEnds() async throws {
    try await withServer { fixture, port, _ in
      let job = try await fixture.scheduled()
      try await withClient(port) { client in
        async let answer = client.get("/jobs/\(job.id)/wait?timeout=60")
        try await fixture.until(isWatched: true, job.id)
        try await fixture.complete(job)
        let response = try await answer
        #expect(response.status == .ok)
        #expect(response.headers[.connection] == "close")
        try await client.getChannel().closeFuture.get()
      }
    }
  }

  @Test("a server that is told to stop answers its waits early")
  func stops() async throws {
    try await withServer { fixture, port, group in
      let job = try await fixture.scheduled()
      try await withClient(port) { client in
        async let answer = client.get("/jobs/\(job.id)/wait?timeout=60")
        try await fixture.until(isWatched: true, job.id)
        await group.triggerGracefulShutdown()
        #expect(try await answer.status == .accepted)
      }
    }
  }

  @Test("a body that is too large is refused, and the connection serves on")
  func largeBody() async throws {
    try await withServer(maxBodyBytes: 1000) { fixture, port, _ in
      try await withClient(port) { client in
        let response = try await client.post(
          "/jobs", headers: [.contentType: "application/json"],
          body: ByteBuffer(repeating: 0x20, count: 5_000_000))
        #expect(response.status == .contentTooLarge)
        #expect(try await client.get("/healthz").status == .ok)
      }
    }
  }

  @Test("a port that is taken is named")
  func portTaken() async throws {
    try await withServer { fixture, port, _ in
      let second = HTTPServer(
        api: fixture.api, host: "127.0.0.1", port: port, logger: fixture.service.logger)
      let error = await #expect(throws: HTTPServerError.self) { try await second.run() }
      #expect(
        error?.description == "the API cannot listen on 127.0.0.1:\(port): the port is in use,"
          + " perhaps by another server; choose another http.port (WARREN_HTTP_PORT)")
    }
  }

  @Test("an address that is not this machine's, and a name that is not known, are told apart")
  func noSuchPlace() async throws {
    try await APIFixture.with { fixture in
      for (host, words) in [
        ("192.0.2.1", "Cannot assign requested address"), ("no-such-host.invalid", "not known"),
      ] {
        let server = HTTPServer(
          api: fixture.api, host: host, port: 0, logger: fixture.service.logger)
        let error = await #expect(throws: HTTPServerError.self) { try await server.run() }
        #expect(error?.description.contains(words) == true, "\(String(describing: error))")
        #expect(error?.description.contains("http.host") == true)
      }
    }
  }

  /// Runs a server on a free port for as long as the body takes.
  private func withServer(
    maxBodyBytes: Int = 1 << 20,
    _ body: @Sendable (APIFixture, Int, ServiceGroup) async throws -> Void
  ) async throws {
    try await APIFixture.with(maxBodyBytes: maxBodyBytes) { fixture in
      let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
      let server = HTTPServer(
        api: fixture.api, host: "127.0.0.1", port: 0, logger: fixture.service.logger
      ) { continuation.yield($0) }
      let group = ServiceGroup(services: [server], logger: fixture.service.logger)
      try await withThrowingTaskGroup { tasks in
        tasks.addTask { try await group.run() }
        let bound = await bounded(.seconds(10)) { await ports.first { _ in true } }
        let port = try #require(bound ?? nil)
        do {
          try await body(fixture, port, group)
        } catch {
          await group.triggerGracefulShutdown()
          throw error
        }
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
      }
    }
  }

  private func withClient(
    _ port: Int, _ body: @escaping @Sendable (TestClient) async throws -> Void
  ) async throws {
    try await TestClient.withClient(host: "127.0.0.1", port: port, operation: body)
  }
}
