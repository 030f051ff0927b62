import AMQP
import NIOCore
import NIOPosix
import Synchronization
import TestSupport

/// Stands between a client and the broker that all tests share: passes on what they say, but loses one method of the
/// broker's, or adds another one to it.
enum LossyBroker {
  /// A method frame's channel, class and method (AMQP 0-9-1, sections 2.3.5 and 4.2.4).
  struct Method: Sendable, Hashable {
    var channel: UInt16
    var classID: UInt16
    var methodID: UInt16
  }

  /// What happens to a method.
  enum Accident: Sendable {
    case lost
    /// These bytes come right before it, in one piece with it.
    case preceded(by: [UInt8])
    /// These bytes come right behind it, in one piece with it.
    case followed(by: [UInt8])
  }

  /// The broker's basic.cancel.
  static func cancel(channel: UInt8) -> [UInt8] {
    [1, 0, channel, 0, 0, 0, 7, 0, 60, 0, 30, 1, UInt8(ascii: "x"), 1, 0xCE]
  }

  private typealias Link = NIOAsyncChannel<ByteBuffer, ByteBuffer>

  /// Runs `body` with the URL of one that loses the first `method`.
  static func with(
    losing method: Method, _ body: @Sendable (_ url: String) async throws -> Void
  ) async throws {
    try await with(method, .lost, body)
  }

  /// Runs `body` with the URL of one to whose first `method` that happens.
  static func with(
    _ method: Method, _ accident: Accident,
    _ body: @Sendable (_ url: String) async throws -> Void
  ) async throws {
    let broker = try await ThrowawayBroker.shared()
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .bind(host: "127.0.0.1", port: 0) { channel in
        channel.eventLoop.makeCompletedFuture { try Link(wrappingChannelSynchronously: channel) }
      }
    let port = listener.channel.localAddress?.port ?? 0
    let gate = Gate(method, accident)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await listener.executeThenClose { clients in
          try await withThrowingDiscardingTaskGroup { links in
            for try await client in clients {
              links.addTask { try? await join(client, toBrokerAt: Int(broker.port), gate) }
            }
          }
        }
      }
      defer { group.cancelAll() }
      try await body("amqp://guest:guest@127.0.0.1:\(port)")
    }
  }

  /// Carries bytes both ways until either side ends.
  private static func join(_ client: Link, toBrokerAt port: Int, _ gate: Gate) async throws {
    let broker = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(FrameSplitter()))
          return try Link(wrappingChannelSynchronously: channel)
        }
      }
    try await client.executeThenClose { fromClient, toClient in
      try await broker.executeThenClose { fromBroker, toBroker in
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { for try await bytes in fromClient { try await toBroker.write(bytes) } }
          group.addTask {
            for try await frame in fromBroker {
              if let bytes = gate.pass(frame) { try await toClient.write(bytes) }
            }
          }
          defer { group.cancelAll() }
          try await group.next()
        }
      }
    }
  }

  /// Lets something happen to one method, once.
  private final class Gate: Sendable {
    private let method: Mutex<Method?>
    private let accident: Accident

    init(_ method: Method, _ accident: Accident) {
      self.method = Mutex(method)
      self.accident = accident
    }

    func pass(_ frame: ByteBuffer) -> ByteBuffer? {
      guard let found = Self.method(frame) else { return frame }
      let isTheOne = method.withLock { method in
        guard method == found else { return false }
        method = nil
        return true
      }
      guard isTheOne else { return frame }
      switch accident {
      case .lost: return nil
      case .preceded(let bytes): return ByteBuffer(bytes: bytes + Array(frame.readableBytesView))
      case .followed(let bytes): return ByteBuffer(bytes: Array(frame.readableBytesView) + bytes)
      }
    }

    private static func method(_ frame: ByteBuffer) -> Method? {
      var frame = frame
      guard
        let (type, channel, _, classID, methodID) = frame.readMultipleIntegers(
          as: (UInt8, UInt16, UInt32, UInt16, UInt16).self), type == 1
      else { return nil }
      return Method(channel: channel, classID: classID, methodID: methodID)
    }
  }

  /// Cuts what the broker says into frames: seven bytes of header, the payload, one byte of end.
  private struct FrameSplitter: ByteToMessageDecoder {
    typealias InboundOut = ByteBuffer

    mutating func decode(
      context: ChannelHandlerContext, buffer: inout ByteBuffer
    ) -> DecodingState {
      guard let size = buffer.getInteger(at: buffer.readerIndex + 3, as: UInt32.self),
        let frame = buffer.readSlice(length: 7 + Int(size) + 1)
      else { return .needMoreData }
      context.fireChannelRead(wrapInboundOut(frame))
      return .continue
    }
  }
}
