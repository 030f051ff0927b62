import Foundation
import HTTPTypes
import Hummingbird
public import Jobs
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// A server on a free port that answers as a test says, so that what the other side makes of it can be seen.
public struct FakeAPI: Sendable {
  /// What was asked.
  public struct Call: Sendable, Hashable {
    public let method: String
    /// Path and query, as they were sent.
    public let target: String
    /// With names in lower case.
    public let headers: [String: String]
    public let body: String
  }

  /// What is answered.
  public struct Answer: Sendable {
    public var status: Int
    public var contentType: String
    public var body: String
    /// Seconds.
    public var retryAfter: Int?

    public init(_ status: Int, _ body: String = "", contentType: String = "application/json") {
      self.status = status
      self.body = body
      self.contentType = contentType
    }

    public static func json(_ status: Int, _ value: some Encodable) throws -> Answer {
      Answer(status, String(decoding: try JSONEncoder().encode(value), as: UTF8.self))
    }

    public static func problem(_ problem: Problem, retryAfter: Int? = nil) throws -> Answer {
      var answer = try json(problem.status, problem)
      answer.contentType = "application/problem+json"
      answer.retryAfter = retryAfter
      return answer
    }
  }

  public typealias Respond = @Sendable (Call) async throws -> Answer

  fileprivate final class Recorder: Sendable {
    private let seen = Mutex<[Call]>([])
    var calls: [Call] { seen.withLock { $0 } }
    func note(_ call: Call) { seen.withLock { $0.append(call) } }
  }

  /// The server while it runs.
  public struct Running: Sendable {
    private let recorder: Recorder
    private let port: Int

    fileprivate init(port: Int, recorder: Recorder) {
      self.port = port
      self.recorder = recorder
    }

    public var url: String { "http://127.0.0.1:\(port)" }
    /// What has been asked so far.
    public var calls: [Call] { recorder.calls }
  }

  private let respond: Respond

  public init(_ respond: @escaping Respond) {
    self.respond = respond
  }

  /// Runs the server for as long as `body` takes.
  public func serve(_ body: @Sendable (Running) async throws -> Void) async throws {
    let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
    let logger = Logger(label: "fake") { _ in SwiftLogNoOpLogHandler() }
    let recorder = Recorder()
    let application = Application(
      responder: CallbackResponder { [respond] (request: Request, _: BasicRequestContext) in
        let call = Call(
          method: request.method.rawValue, target: request.uri.string,
          headers: Dictionary(
            request.headers.map { ($0.name.canonicalName, $0.value) },
            uniquingKeysWith: { "\($0), \($1)" }),
          body: String(buffer: try await request.body.collect(upTo: 1 << 20)))
        recorder.note(call)
        let answer = try await respond(call)
        var headers: HTTPFields = [.contentType: answer.contentType]
        if let seconds = answer.retryAfter { headers[.retryAfter] = String(seconds) }
        return Response(
          status: .init(code: answer.status), headers: headers,
          body: ResponseBody(byteBuffer: ByteBuffer(string: answer.body)))
      },
      configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)),
      onServerRunning: { channel in
        if let port = channel.localAddress?.port { continuation.yield(port) }
        continuation.finish()
      },
      logger: logger)
    let group = ServiceGroup(services: [application], logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      for await port in ports {
        let fake = Running(port: port, recorder: recorder)
        let result: Result<Void, any Error>
        do { result = .success(try await body(fake)) } catch { result = .failure(error) }
        await group.triggerGracefulShutdown()
        tasks.cancelAll()
        while let ended = await tasks.nextResult() { _ = ended }
        try result.get()
        return
      }
    }
  }
}
