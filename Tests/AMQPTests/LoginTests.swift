import AMQP
import Foundation
import TestSupport
import Testing

@Suite("Connecting", .needsBroker, .timeLimit(.minutes(3)))
struct LoginTests {
  /// What `run()` throws when it may fail only once.
  private static func failure(
    _ url: String, configure: (inout ConnectionConfiguration) -> Void = { _ in }
  ) async throws -> AMQPError? {
    var configuration = try ConnectionConfiguration(url: url)
    configuration.reconnect.initialAttempts = 1
    configure(&configuration)
    let connection = Connection(configuration: configuration, logger: quietLogger())
    return await #expect(throws: AMQPError.self) { try await connection.run() }
  }

  @Test("A wrong password, user or virtual host is refused with the broker's reason")
  func refused() async throws {
    let broker = try await ThrowawayBroker.shared()
    for (user, password) in [("guest", "s3cr3t-1"), ("nobody", "s3cr3t-2")] {
      let error = try await Self.failure("amqp://\(user):\(password)@127.0.0.1:\(broker.port)")
      let shown = try #require(error)
      #expect(shown.replyCode == 403)
      #expect(shown.description.contains("ACCESS_REFUSED"), "\(shown)")
      // Neither as it is written nor as a debugger shows it.
      for text in [shown.description, String(reflecting: shown), "\(shown.localizedDescription)"] {
        #expect(!text.contains("s3cr3t"), "a password in a message")
      }
    }
    let error = try await Self.failure("\(broker.url)/no-such-host")
    #expect(error?.replyCode == 530)
    #expect(error?.description.contains("no-such-host") == true)
  }

  @Test("Nobody there, no such name, or something that is no broker: each is said")
  func unreachable() async throws {
    let port = try FreePorts.find(1)[0]
    let nobody = try await Self.failure("amqp://127.0.0.1:\(port)")
    #expect(nobody?.description.contains("127.0.0.1:\(port)") == true)
    #expect(nobody?.description.contains("refused") == true)
    let nameless = try await Self.failure("amqp://no-such-host.invalid")
    #expect(nameless?.description.contains("no-such-host.invalid does not resolve") == true)
    let broker = try await ThrowawayBroker.shared()
    let other = try await Self.failure("amqp://127.0.0.1:\(broker.managementPort)") {
      $0.connectTimeout = .seconds(2)
    }
    guard case .connect? = other else {
      Issue.record("not a connect error: \(String(describing: other))")
      return
    }
  }

  @Test("The broker knows who is connected")
  func names() async throws {
    let broker = try await ThrowawayBroker.shared()
    let name = "test-name-\(UInt64.random(in: 0 ... .max))"
    try await withConnection(configuration { $0.connectionName = name }) { _ in
      let list = try await broker.control(
        "list_connections", "client_properties", "timeout")
      let line = try #require(list.split(separator: "\n").first { $0.contains(name) })
      #expect(line.contains("Warren"))
      for capability in [
        "authentication_failure_close", "basic.nack", "connection.blocked",
        "consumer_cancel_notify", "publisher_confirms",
      ] { #expect(line.contains(capability)) }
      #expect(line.hasSuffix("\t30"))
    }
  }

  @Test("A second run() is refused")
  func twice() async throws {
    _ = try await withConnection { connection in
      await #expect(throws: AMQPError.closed("run() can be called once per connection")) {
        try await connection.run()
      }
    }
  }

  @Test("Waiting for a connection that does not come ends in time, and says why")
  func waiting() async throws {
    let port = try FreePorts.find(1)[0]
    let configuration = try ConnectionConfiguration(url: "amqp://127.0.0.1:\(port)")
    let connection = Connection(configuration: configuration, logger: quietLogger())
    let idle = await #expect(throws: AMQPError.self) {
      try await connection.waitUntilReady(timeout: .milliseconds(20))
    }
    #expect(idle?.description.contains("run() has not been called") == true)
    let events = connection.events()
    let run = Task { try await connection.run() }
    _ = await bounded(.seconds(60)) { await events.first { _ in true } }
    let refused = await #expect(throws: AMQPError.self) {
      try await connection.waitUntilReady(timeout: .milliseconds(500))
    }
    #expect(refused?.description.contains("refused") == true)
    let cancelled = Task { try await connection.waitUntilReady(timeout: .seconds(60)) }
    cancelled.cancel()
    await #expect(throws: AMQPError.cancelled) { try await cancelled.value }
    run.cancel()
    try await run.value
    await #expect(throws: AMQPError.self) {
      try await connection.waitUntilReady(timeout: .seconds(1))
    }
  }
}
