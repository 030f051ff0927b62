import NIOCore
import NIOPosix
import Synchronization
import TestSupport

/// Stands between a client and the broker that all tests share, and can stop taking what the client
/// sends, as a broker does that is short of memory; what the broker says goes on.
final class Valve: Sendable {
  private typealias Link = NIOAsyncChannel<ByteBuffer, ByteBuffer>

  private struct State {
    var isShut = false
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  func shut() { state.withLock { $0.isShut = true } }

  func open() {
    let waiters = state.withLock { state in
      state.isShut = false
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  private func pass() async {
    await withCheckedContinuation { continuation in
      let isOpen = state.withLock { state in
        if state.isShut { state.waiters.append(continuation) }
        return !state.isShut
      }
      if isOpen { continuation.resume() }
    }
  }

  /// Runs `body` with a valve and its port, behind which that port of the broker is.
  static func with(
    brokerPort: Int, _ body: @Sendable (_ valve: Valve, _ port: Int) async throws -> Void
  ) async throws {
    let valve = Valve()
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .bind(host: "127.0.0.1", port: 0) { channel in
        channel.eventLoop.makeCompletedFuture { try Link(wrappingChannelSynchronously: channel) }
      }
    let port = listener.channel.localAddress?.port ?? 0
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await listener.executeThenClose { clients in
          try await withThrowingDiscardingTaskGroup { links in
            for try await client in clients {
              links.addTask { try? await valve.join(client, to: brokerPort) }
            }
          }
        }
      }
      defer {
        valve.open()
        group.cancelAll()
      }
      try await body(valve, port)
    }
  }

  private func join(_ client: Link, to port: Int) async throws {
    let broker = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture { try Link(wrappingChannelSynchronously: channel) }
      }
    try await client.executeThenClose { fromClient, toClient in
      try await broker.executeThenClose { fromBroker, toBroker in
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask {
            for try await bytes in fromClient {
              await self.pass()
              try await toBroker.write(bytes)
            }
          }
          group.addTask { for try await bytes in fromBroker { try await toClient.write(bytes) } }
          defer { group.cancelAll() }
          try await group.next()
        }
      }
    }
  }
}
