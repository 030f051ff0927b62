import Testing

@testable import AMQP

@Suite("AMQP URLs")
struct ConnectionURLTests {
  /// From RabbitMQ's URI specification, appendix A; `nil` is "not given", for which its default is
  /// taken.
  static let valid:
    [(url: String, user: String, password: String, host: String, port: UInt16, vhost: String)] = [
      ("amqp://user:pass@host:10000/vhost", "user", "pass", "host", 10_000, "vhost"),
      (
        "amqp://user%61:%61pass@ho%61st:10000/v%2fhost", "usera", "apass", "hoast", 10_000,
        "v/host"
      ),
      ("amqp://", "guest", "guest", "localhost", 5672, "/"),
      ("amqp://:@/", "", "", "localhost", 5672, "/"),
      ("amqp://user@", "user", "guest", "localhost", 5672, "/"),
      ("amqp://user:pass@", "user", "pass", "localhost", 5672, "/"),
      ("amqp://host", "guest", "guest", "host", 5672, "/"),
      ("amqp://:10000", "guest", "guest", "localhost", 10_000, "/"),
      ("amqp:///vhost", "guest", "guest", "localhost", 5672, "vhost"),
      ("amqp://host/", "guest", "guest", "host", 5672, "/"),
      ("amqp://host/%2f", "guest", "guest", "host", 5672, "/"),
      ("amqp://[::1]", "guest", "guest", "::1", 5672, "/"),
      ("amqp://u:p@[fe80::1%25eth0]:77/v", "u", "p", "fe80::1%eth0", 77, "v"),
      ("amqps://host", "guest", "guest", "host", 5671, "/"),
      ("AMQP://host", "guest", "guest", "host", 5672, "/"),
      ("amqp://a%40b:c%3Ad%2Fe@h", "a@b", "c:d/e", "h", 5672, "/"),
      ("amqp://%C3%BC:p%25@h/%E2%82%AC", "ü", "p%", "h", 5672, "€"),
      ("amqp://guest:guest@127.0.0.1:5672/", "guest", "guest", "127.0.0.1", 5672, "/"),
      ("amqp://u:a:b@h", "u", "a:b", "h", 5672, "/"),
    ]

  @Test("Each part is decoded by itself", arguments: valid)
  func examples(
    url: String, user: String, password: String, host: String, port: UInt16, vhost: String
  ) throws {
    let configuration = try ConnectionConfiguration(url: url)
    #expect(configuration.username == user)
    #expect(configuration.password == password)
    #expect(configuration.host == host)
    #expect(configuration.port == port)
    #expect(configuration.virtualHost == vhost)
    #expect((configuration.tls != nil) == url.hasPrefix("amqps"))
  }

  @Test("Query parameters")
  func query() throws {
    let configuration = try ConnectionConfiguration(
      url: "amqps://h/v?heartbeat=7&connection_timeout=1500&channel_max=12&auth_mechanism=external"
        + "&cacertfile=%2Fca.pem&certfile=/c+d.pem&keyfile=/k%20k.pem&verify=verify_none"
        + "&server_name_indication=h")
    #expect(configuration.heartbeat == 7)
    #expect(configuration.connectTimeout == .milliseconds(1_500))
    #expect(configuration.channelMax == 12)
    #expect(configuration.authentication == .external)
    var tls = TLSConfiguration(
      caCertificateFile: "/ca.pem", certificateFile: "/c+d.pem", keyFile: "/k k.pem",
      verifyPeer: false)
    tls.serverName = "h"
    #expect(configuration.tls == tls)
    #expect(configuration.virtualHost == "v")
    let verified = try ConnectionConfiguration(url: "amqps://h?verify=verify_peer")
    #expect(verified.tls?.verifyPeer == true)
  }

  @Test(
    "What is wrong is named",
    arguments: [
      ("", "amqp://"), ("localhost:5672", "amqp://"), ("http://host", "scheme"),
      ("amqp://host:0", "port"), ("amqp://host:65536", "port"), ("amqp://host:x", "port"),
      ("amqp://host:+1", "port"), ("amqp://::1", "brackets"), ("amqp://[::1", "]"),
      ("amqp://[::1]x", "only a port"), ("amqp://[host]", "IPv6"), ("amqp://h/a/b", "%2F"),
      ("amqp://h/a@b", "%40"), ("amqp://a,,b", "comma"),
      ("amqp://u@v@h", "%40"), ("amqp://h/%zz", "%25"), ("amqp://h/%2", "%25"),
      ("amqp://h/%", "%25"), ("amqp://%ff@h", "UTF-8"), ("amqp://h /", "space"),
      ("amqp://h#x", "#"), ("amqp://h?heartbeat", "no value"),
      ("amqp://h?heartbeat=-1", "heartbeat"), ("amqp://h?heartbeat=65536", "heartbeat"),
      ("amqp://h?connection_timeout=0", "connection_timeout"),
      ("amqp://h?heartbeat=1&heartbeat=2", "twice"), ("amqp://h?cacertfile=/x", "amqps"),
      ("amqps://h?cacertfile=", "PEM"), ("amqps://h?verify=maybe", "verify_none"),
      ("amqps://h?certfile=/c", "keyfile"), ("amqps://h?server_name_indication=", "host name"),
      ("amqp://h?auth_mechanism=magic", "external"), ("amqp://a%00b@h", "NUL"),
    ])
  func refused(url: String, word: String) {
    let error = #expect(throws: AMQPError.self) { try ConnectionConfiguration(url: url) }
    guard case .url? = error else {
      Issue.record("not a URL error: \(String(describing: error))")
      return
    }
    #expect(error?.description.contains(word) == true, "\(String(describing: error))")
  }

  @Test("An unknown parameter is named, and the known ones are")
  func unknownParameter() {
    let error = #expect(throws: AMQPError.self) {
      try ConnectionConfiguration(url: "amqp://h?heartbeats=1")
    }
    let text = error?.description ?? ""
    #expect(text.contains("heartbeats"))
    for parameter in ConnectionURL.Parameter.allCases { #expect(text.contains(parameter.rawValue)) }
  }

  @Test(
    "No error repeats a password, whichever character of the URL is missing or not encoded",
    arguments: [
      "amqp://user:secret", "amqp://user:secret/vhost", "amqp://user:secret:5672/",
      "amqp://user:secret,host", "amqp://user:secret?heartbeat=1", "amqp://user:1/secret@host",
      "amqp://user:secret/x@host", "amqp://user:1?secret@host", "amqp://user:1?secret=x@host",
      "amqp://user:1?x=secret%zz@host", "amqp://user:1?secret%zz=x@host",
      "amqp://user:1?secret=x%zz@host", "amqp://user:secret@x@host", "amqp://user:x@secret@host",
      "amqp://user:secret%zz@host", "amqp://user:secret%ff@host", "amqp://user:secret #@host",
      "amqp://[user:secret", "amqp://[user:secret]", "amqp://[::1]secret@host:x",
      "amqp://[::1]:secret", "secret@host://", "user:secret@host", "amqp:/user:secret@host",
      "amqp://user:secret@host:x", "amqp://user:secret%00@host", "amqp://host:1/v?verify=secret",
      "amqps://host?verify=secret", "amqp://host?auth_mechanism=secret",
      "amqp://host?heartbeat=secret",
    ])
  func noPassword(url: String) {
    let error = #expect(throws: AMQPError.self) { try ConnectionConfiguration(url: url) }
    let text = error?.description ?? ""
    #expect(!text.contains("secret"), "\(text)")
    #expect(!text.isEmpty)
  }

  @Test("No error grows with the URL")
  func short() {
    let long = String(repeating: "a", count: 10_000)
    for url in [
      long, "\(long)://", "amqp://h:\(long)", "amqp://[\(long)", "amqp://[\(long)]",
      "amqp://[::1]\(long)", "amqp://\(long):1:2", "amqp://\(long),", "amqp://h/\(long)",
      "amqp://h/\(long)/", "amqp://\(long)@x@h", "amqp://h?\(long)", "amqp://h?\(long)=1",
      "amqp://h?\(long)=%", "amqp://h?heartbeat=\(long)", "amqp://h?auth_mechanism=\(long)",
      "amqps://h?verify=\(long)",
    ] {
      let error = #expect(throws: AMQPError.self) { try ConnectionConfiguration(url: url) }
      #expect((error?.description.utf8.count ?? 0) < 300, "\(url.prefix(30))")
    }
  }

  @Test("The endpoint, which is logged, holds no password")
  func endpoint() throws {
    let plain = try ConnectionConfiguration(url: "amqp://me:secret@[::1]:7/v")
    #expect(plain.endpoint == "amqp://[::1]:7/v")
    #expect(try ConnectionConfiguration(url: "amqps://h").endpoint == "amqps://h:5671")
  }
}
