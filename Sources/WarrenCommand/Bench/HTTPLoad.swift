import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Many clients of the API at once: each sends `POST /jobs` over a connection of its own as soon as it has the last answer.
///
/// All of them share one thread, and do little: what is measured is the server, not its clients.
struct HTTPLoad: Sendable {
  /// What came of the requests.
  struct Outcome: Sendable {
    /// Of those that are measured, and were accepted.
    var latencies = Latencies()
    /// When the last answer was there.
    var end: MonotonicTime?
    /// How often the server refused, by status; in the warm-up as well.
    var refusals: [UInt: Int] = [:]

    mutating func add(_ other: Outcome) {
      latencies.add(other.latencies)
      end = [end, other.end].compactMap { $0 }.max()
      refusals.merge(other.refusals) { $0 + $1 }
    }
  }

  let port: Int
  let tenant: UUID
  let connections: Int

  /// How long an answer may take.
  private static let patience = TimeAmount.seconds(60)

  /// - Parameters:
  ///   - warmUp: how many requests are sent first, and not measured.
  ///   - count: how many are measured.
  /// - Returns: when the first of those was sent, and what came of them.
  func run(
    warmUp: Int, count: Int, _ progress: BenchProgress
  ) async throws -> (begin: MonotonicTime, outcome: Outcome) {
    let requests = Requests(warmUp: warmUp, total: warmUp + count)
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    return try await withThrowingTaskGroup(of: Outcome?.self) { group in
      let clients = min(connections, warmUp + count)
      for _ in 0..<clients {
        group.addTask { try await connect(requests, loop) }
      }
      group.addTask {
        await tell(requests, progress)
        return nil
      }
      defer { group.cancelAll() }
      var outcome = Outcome()
      var ended = 0
      while ended < clients, let next = try await group.next() {
        guard let next else { continue }
        outcome.add(next)
        ended += 1
      }
      guard let begin = requests.begin else {
        throw BenchError.unexpected("no request was sent")
      }
      return (begin, outcome)
    }
  }

  private func tell(_ requests: Requests, _ progress: BenchProgress) async {
    var last = (count: 0, time: MonotonicTime.now)
    while !requests.areAnswered, (try? await Task.sleep(for: .seconds(1))) != nil {
      let now = (count: requests.answeredCount, time: MonotonicTime.now)
      progress.count(
        "answered", now.count, of: requests.total,
        perSecond: Double(now.count - last.count) / now.time.seconds(since: last.time))
      last = now
    }
  }

  private func connect(_ requests: Requests, _ loop: any EventLoop) async throws -> Outcome {
    let promise = loop.makePromise(of: Outcome.self)
    let head = head
    let connecting = ClientBootstrap(group: loop)
      .connectTimeout(.seconds(10))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHTTPClientHandlers()
          try pipeline.addHandler(IdleStateHandler(readTimeout: Self.patience))
          try pipeline.addHandler(HTTPLoadClient(requests, head: head, promise: promise))
        }
      }
      .connect(host: "127.0.0.1", port: port)
    connecting.whenFailure { promise.fail($0) }
    return try await withTaskCancellationHandler {
      try await promise.futureResult.get()
    } onCancel: {
      connecting.whenSuccess { $0.close(promise: nil) }
    }
  }

  private var head: HTTPRequestHead {
    HTTPRequestHead(
      version: .http1_1, method: .POST, uri: "/jobs",
      headers: [
        "Host": "127.0.0.1:\(port)", "Content-Type": "application/json",
        "Accept": "application/json", "X-Tenant-ID": tenant.uuidString.lowercased(),
      ])
  }
}

/// The requests that all clients share.
private final class Requests: Sendable {
  let total: Int
  private let warmUp: Int
  private let taken = Atomic<Int>(0)
  private let answered = Atomic<Int>(0)
  /// In nanoseconds; 0 before.
  private let firstMeasured = Atomic<Int64>(0)

  init(warmUp: Int, total: Int) {
    self.warmUp = warmUp
    self.total = total
  }

  /// The next one: whether it is measured; `nil` when there are no more.
  func next() -> Bool? {
    let index = taken.wrappingAdd(1, ordering: .relaxed).oldValue
    guard index < total else { return nil }
    if index == warmUp {
      firstMeasured.store(MonotonicTime.now.nanoseconds, ordering: .relaxed)
    }
    return index >= warmUp
  }

  func noteAnswer() { answered.wrappingAdd(1, ordering: .relaxed) }

  var answeredCount: Int { answered.load(ordering: .relaxed) }
  var areAnswered: Bool { answeredCount >= total }

  var begin: MonotonicTime? {
    let time = firstMeasured.load(ordering: .relaxed)
    return time == 0 ? nil : MonotonicTime(nanoseconds: time)
  }
}

/// One client on its connection.
private final class HTTPLoadClient: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  private let requests: Requests
  private let head: HTTPRequestHead
  private let promise: EventLoopPromise<HTTPLoad.Outcome>
  private var outcome = HTTPLoad.Outcome()
  private var sent = MonotonicTime(nanoseconds: 0)
  private var isMeasured = false
  private var status: UInt = 0

  init(_ requests: Requests, head: HTTPRequestHead, promise: EventLoopPromise<HTTPLoad.Outcome>) {
    self.requests = requests
    self.head = head
    self.promise = promise
  }

  func channelActive(context: ChannelHandlerContext) {
    send(context)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): status = head.status.code
    case .body: break
    case .end:
      note(.now)
      send(context)
    }
  }

  private func note(_ now: MonotonicTime) {
    requests.noteAnswer()
    if isMeasured { outcome.end = now }
    if !(200..<300).contains(status) {
      outcome.refusals[status, default: 0] += 1
    } else if isMeasured {
      outcome.latencies.record(from: sent, to: now)
    }
  }

  private func send(_ context: ChannelHandlerContext) {
    guard let isMeasured = requests.next() else {
      promise.succeed(outcome)
      context.close(promise: nil)
      return
    }
    self.isMeasured = isMeasured
    let key = UUID().uuidString.lowercased()
    let body = context.channel.allocator.buffer(
      string: #"{"type":"bench:noop","params":{},"idempotency_key":"\#(key)"}"#)
    var head = head
    head.headers.add(name: "Content-Length", value: String(body.readableBytes))
    sent = .now
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard event is IdleStateHandler.IdleStateEvent else { return }
    fail(context, BenchError.stalled("the server does not answer POST /jobs"))
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    fail(context, error)
  }

  func channelInactive(context: ChannelHandlerContext) {
    // Nothing after a success.
    promise.fail(BenchError.unexpected("the server closed a connection without an answer"))
  }

  private func fail(_ context: ChannelHandlerContext, _ error: any Error) {
    promise.fail(error)
    context.close(promise: nil)
  }
}
