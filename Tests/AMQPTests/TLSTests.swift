import AMQP
import Foundation
import TestSupport
import Testing

@Suite("TLS", .needsBroker, .timeLimit(.minutes(3)))
struct TLSTests {
  private struct Setup {
    let port: UInt16
    let certificates: TestCertificates

    init() async throws {
      let broker = try await ThrowawayBroker.shared()
      port = broker.tlsPort
      certificates = try #require(broker.certificates)
    }

    func url(host: String = "localhost", _ query: String) -> String {
      "amqps://guest:guest@\(host):\(port)?connection_timeout=10000&\(query)"
    }
  }

  private func failure(_ url: String) async throws -> String {
    var configuration = try ConnectionConfiguration(url: url)
    configuration.reconnect.initialAttempts = 1
    let connection = Connection(configuration: configuration, logger: quietLogger())
    let error = await #expect(throws: AMQPError.self) { try await connection.run() }
    guard case .tls(let why)? = error else {
      Issue.record("not a TLS error: \(String(describing: error))")
      return ""
    }
    return why
  }

  @Test("A broker whose certificate is signed by the given authority, for its name, is trusted")
  func trusted() async throws {
    let setup = try await Setup()
    try await withConnection(
      configuration(setup.url("cacertfile=\(setup.certificates.authority)"))
    ) {
      connection in
      let queue = try await connection.temporaryQueue()
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 500))
      // More than one TLS record at a time, and more than one read of the socket.
      let bodies = (0..<300).map { number in [UInt8](repeating: UInt8(number % 251), count: 3_000) }
      let verdicts = await connection.publish(
        bodies.map { Publication(Message(body: $0), exchange: "", routingKey: queue) })
      #expect(verdicts.allSatisfy { $0 == .confirmed })
      let deliveries = try await consumer.collect(300)
      #expect(deliveries.map(\.message.body) == bodies)
      await consumer.ack(deliveries.map(\.tag))
      let big = [UInt8](repeating: 7, count: 2_000_000)
      #expect(
        await connection.publish(Publication(Message(body: big), exchange: "", routingKey: queue))
          == .confirmed)
      #expect(try await consumer.collect(1).first?.message.body == big)
    }
  }

  @Test("A certificate logs in by itself, as the user that it names")
  func external() async throws {
    let setup = try await Setup()
    let certificates = setup.certificates
    let url =
      "amqps://localhost:\(setup.port)?connection_timeout=10000&auth_mechanism=external"
      + "&cacertfile=\(certificates.authority)&certfile=\(certificates.client)"
      + "&keyfile=\(certificates.clientKey)"
    let name = "test-external-\(UInt64.random(in: 0 ... .max))"
    try await withConnection(configuration(url) { $0.connectionName = name }) { _ in
      let list = try await ThrowawayBroker.shared().control(
        "list_connections", "client_properties", "user", "auth_mechanism")
      let line = try #require(list.split(separator: "\n").first { $0.contains(name) })
      #expect(line.hasSuffix("guest\tEXTERNAL"))
    }
  }

  @Test("An unknown authority is refused")
  func unknownAuthority() async throws {
    let setup = try await Setup()
    let stranger = setup.certificates.stranger
    let why = try await failure(setup.url("cacertfile=\(stranger)"))
    #expect(why.contains("not signed by \(stranger)"))
  }

  @Test("The system's authorities do not know the test's")
  func systemAuthorities() async throws {
    let setup = try await Setup()
    let why = try await failure(setup.url("verify=verify_peer"))
    #expect(why.contains("not signed by") || why.contains("no trusted authorities"))
  }

  @Test("A certificate for another host name is refused")
  func wrongHost() async throws {
    let setup = try await Setup()
    let why = try await failure(
      setup.url(host: "127.0.0.1", "cacertfile=\(setup.certificates.authority)"))
    #expect(why.contains("not for the host name 127.0.0.1"))
  }

  @Test("Only on demand is nothing verified")
  func unverified() async throws {
    let setup = try await Setup()
    try await withConnection(
      configuration(setup.url(host: "127.0.0.1", "verify=verify_none"))
    ) { connection in
      _ = try await connection.temporaryQueue()
    }
  }

  @Test("A client certificate is shown")
  func clientCertificate() async throws {
    let setup = try await Setup()
    let broker = try await ThrowawayBroker.shared()
    let certificates = setup.certificates
    let url = setup.url(
      "cacertfile=\(certificates.authority)&certfile=\(certificates.client)"
        + "&keyfile=\(certificates.clientKey)")
    let name = "test-tls-\(UInt64.random(in: 0 ... .max))"
    try await withConnection(configuration(url) { $0.connectionName = name }) { _ in
      let list = try await broker.control(
        "list_connections", "client_properties", "peer_cert_subject", "ssl_protocol")
      let line = try #require(list.split(separator: "\n").first { $0.contains(name) })
      #expect(line.contains("CN=guest"))
      #expect(line.contains("tlsv1.2") || line.contains("tlsv1.3"))
    }
  }

  @Test("Files that are missing or of the wrong kind are named")
  func files() async throws {
    let setup = try await Setup()
    let certificates = setup.certificates
    #expect(try await failure(setup.url("cacertfile=/no/such/file")).contains("/no/such/file"))
    let key = certificates.clientKey
    #expect(try await failure(setup.url("cacertfile=\(key)")).contains(key))
    let mixed = try await failure(
      setup.url(
        "cacertfile=\(certificates.authority)&certfile=\(certificates.client)"
          + "&keyfile=\(certificates.serverKey)"))
    #expect(mixed.contains("keyfile"))
  }

  @Test("A port that does not speak TLS is said to be that")
  func plainPort() async throws {
    let setup = try await Setup()
    let broker = try await ThrowawayBroker.shared()
    let why = try await failure(
      "amqps://localhost:\(broker.port)?cacertfile=\(setup.certificates.authority)")
    #expect(why.contains("TLS port"))
  }
}
