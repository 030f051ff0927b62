import Foundation

/// The `rabbitmq.conf` of a throwaway node: the one that Warren ships, with ports and certificates
/// of its own.
struct NodeConfiguration {
  var port: UInt16
  var tlsPort: UInt16
  var managementPort: UInt16
  var options: ThrowawayBroker.Options
  var certificates: TestCertificates?

  /// What a node of its own decides for itself.
  private static let replaced = ["listeners.", "management.", "ssl_options.", "log.", "cluster_"]

  func text() -> String {
    var lines = shipped().filter { line in !Self.replaced.contains { line.hasPrefix($0) } }
    lines += [
      "listeners.tcp.local = 127.0.0.1:\(port)",
      "log.file.level = info",
    ]
    if options.management {
      lines += ["management.tcp.ip = 127.0.0.1", "management.tcp.port = \(managementPort)"]
    }
    if let certificates {
      lines += [
        "listeners.ssl.local = 127.0.0.1:\(tlsPort)",
        "ssl_options.cacertfile = \(certificates.authority)",
        "ssl_options.certfile = \(certificates.server)",
        "ssl_options.keyfile = \(certificates.serverKey)",
        "ssl_options.verify = verify_peer",
        "ssl_options.fail_if_no_peer_cert = false",
        "ssl_options.versions.1 = tlsv1.2",
        "ssl_options.versions.2 = tlsv1.3",
        "auth_mechanisms.1 = PLAIN",
        "auth_mechanisms.2 = EXTERNAL",
        "ssl_cert_login_from = common_name",
      ]
    }
    lines.append(options.configuration)
    return lines.joined(separator: "\n") + "\n"
  }

  private func shipped() -> [String] {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let file = root.appending(path: "compose/rabbitmq/rabbitmq.conf")
    let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").map(String.init)
  }
}
