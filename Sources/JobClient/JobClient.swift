public import AsyncHTTPClient
public import Foundation
public import Jobs
import NIOCore
import NIOPosix

/// Schedules jobs and asks after them, over the server's HTTP API.
///
/// A value: cheap to make and to copy, nothing has to be closed. Every call is bounded in time and in what it reads.
///
/// ```swift
/// let client = try JobClient(server: "http://127.0.0.1:8080")
/// let job = try await client.schedule(JobTypeID("files:checksum"), params: ["path": "README.md"]).job
/// let done = try await client.wait(for: job.id, timeout: .seconds(60))
/// ```
public struct JobClient: Sendable {
  /// Where a server listens that has not been told otherwise.
  public static let defaultServer = "http://127.0.0.1:8080"

  let connection: APIConnection

  /// - Parameters:
  ///   - server: an `http://` or `https://` URL; a path in it is what all paths of the API begin with.
  ///   - tenant: whose jobs they are; `nil` is the tenant of zeros. Other tenants' jobs are not seen.
  ///   - user: who schedules; `nil` is the user of zeros.
  ///   - token: goes with each request as `Authorization: Bearer`, for the proxy that stands before the server.
  ///   - limits: how long and how much is waited for.
  ///   - http: a client of your own, for its TLS settings, say; `nil` is one that all job clients of the process share.
  /// - Throws: ``JobClientError/invalidRequest(_:)`` when the URL is none, or the token cannot be sent.
  public init(
    server: String = Self.defaultServer, tenant: UUID? = nil, user: UUID? = nil,
    token: String? = nil, limits: JobClientLimits = JobClientLimits(), http: HTTPClient? = nil
  ) throws(JobClientError) {
    if let token, token.isEmpty || !token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
      throw .invalidRequest("the token must be visible ASCII characters without a space")
    }
    connection = APIConnection(
      server: try ServerURL(server), tenant: tenant, user: user, token: token, limits: limits,
      http: http ?? Self.shared, streams: http ?? Self.streams)
  }

  /// Lives as long as the process, as `HTTPClient.shared` does, which would try a refused connection again and again.
  private static let shared = makeShared()

  /// How long a stream may be silent: three heartbeats of the server.
  static let longestSilence = Duration.seconds(45)

  /// For streams, which are silent only when the server is gone.
  private static let streams = makeShared(read: TimeAmount(longestSilence))

  private static func makeShared(read: TimeAmount? = nil) -> HTTPClient {
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5), read: read))
    configuration.httpVersion = .http1Only
    configuration.connectionPool.retryConnectionEstablishment = false
    // Each wait holds a connection; the default of 8 would queue everything else behind eight waits.
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 256
    return HTTPClient(
      eventLoopGroup: .singletonMultiThreadedEventLoopGroup, configuration: configuration)
  }
}

/// What a ``JobClient`` puts up with.
public struct JobClientLimits: Sendable, Hashable {
  /// How long the answer to one request may take, from connecting to its last byte; a wait adds the time it asks for.
  public var request: Duration
  /// The largest answer, in bytes.
  public var responseBytes: Int
  /// How long a request is sent again, each time after the pause that the server asks for, while it does not take it now (429, or 503 with
  /// `Retry-After`); zero leaves that to the caller. A wait goes on in any case.
  public var patience = Duration.zero

  /// Limits; those left out are as they mostly should be.
  public init(request: Duration = .seconds(30), responseBytes: Int = 64 << 20) {
    self.request = max(.milliseconds(1), request)
    self.responseBytes = max(1, responseBytes)
  }
}

/// Why a call of a ``JobClient`` did not answer as it should.
public enum JobClientError: Error, Hashable, CustomStringConvertible {
  /// The call cannot be made: the server's URL is none, or the params cannot be written as JSON.
  case invalidRequest(String)
  /// The server is not there, or does not answer in time. Whether it has got the request is not known; a job that is
  /// scheduled again with the same idempotency key is still one job.
  case unreachable(server: String, why: String)
  /// The server refused, and says why.
  case problem(Problem)
  /// An answer that no Warren server of this version gives.
  case unexpectedAnswer(server: String, why: String)
  /// The time of a wait has passed; the job, as it was then, goes on.
  case timedOut(Job)
  /// The task was cancelled.
  case cancelled

  public var description: String {
    switch self {
    case .invalidRequest(let why):
      why
    case .unreachable(let server, let why):
      "the server at \(server) cannot be reached: \(why)"
    case .problem(let problem):
      // One is told by the detail.
      if let errors = problem.errors, errors.count > 1 {
        "\(problem.title):" + errors.map { "\n  \($0.detail)" }.joined()
      } else {
        "\(problem.title): \(problem.detail)"
      }
    case .unexpectedAnswer(let server, let why):
      "what answers at \(server) does not answer like a Warren server: \(why)"
    case .timedOut(let job):
      "the job \(job.id) is still \(job.status.rawValue); it goes on"
    case .cancelled:
      "the call was cancelled"
    }
  }
}
