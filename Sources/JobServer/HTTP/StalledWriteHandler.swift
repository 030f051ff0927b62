import NIOCore

/// Closes a connection whose client does not read what it is sent: one that takes nothing at all for a while. However slow it is,
/// one that goes on reading is left alone.
///
/// It costs nothing until a client does not keep up.
final class StalledWriteHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = NIOAny

  /// How long nothing may be taken.
  static let limit = TimeAmount.seconds(30)
  /// The same, once the server is being stopped.
  static let limitWhenStopping = TimeAmount.seconds(1)

  private var limit: TimeAmount
  private var check: Scheduled<Void>?

  init(limit: TimeAmount = limit) {
    self.limit = limit
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    check?.cancel()
    check = nil
    if !context.channel.isWritable { schedule(context) }
    context.fireChannelWritabilityChanged()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is ChannelShouldQuiesceEvent {
      limit = min(limit, Self.limitWhenStopping)
      if check != nil {
        check?.cancel()
        schedule(context)
      }
    }
    context.fireUserInboundEventTriggered(event)
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    check?.cancel()
    check = nil
  }

  private func schedule(_ context: ChannelHandlerContext) {
    let before = Self.waiting(context)
    check = context.eventLoop.assumeIsolated().scheduleTask(in: limit) {
      self.check = nil
      guard !context.channel.isWritable else { return }
      if Self.waiting(context) < before {
        self.schedule(context)
      } else {
        context.close(promise: nil)
      }
    }
  }

  /// How many bytes the client has not taken yet.
  private static func waiting(_ context: ChannelHandlerContext) -> Int {
    (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
  }
}
