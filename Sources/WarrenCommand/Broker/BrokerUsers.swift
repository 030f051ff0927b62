import Foundation
import JobTransport
import Jobs

/// A user of the broker as it should be.
struct BrokerUser: Sendable, Hashable {
  let name: String
  let role: BrokerRole
  /// For whom it may speak, where the server asks who is who.
  var tenants: [UUID] = [.zero]
  /// The job queues whose jobs a worker may run; all when it is `nil`.
  var queues: [JobQueueName]?
}

/// The users of one installation: of a virtual host, and a prefix.
struct BrokerUsers: Sendable {
  var virtualHost = "/"
  let names: TransportNames
  var users: [BrokerUser] = [
    BrokerUser(name: "producer", role: .producer), BrokerUser(name: "worker", role: .worker),
    BrokerUser(name: "server", role: .server), BrokerUser(name: "operator", role: .operator),
  ]

  struct Permissions: Codable, Sendable, Hashable {
    let configure, write, read: String
  }

  struct TopicPermissions: Codable, Sendable, Hashable {
    let exchange, write, read: String
  }

  func permissions(of user: BrokerUser) -> Permissions {
    let rights = user.role.permissions(names, queues: user.queues)
    return Permissions(configure: rights.configure, write: rights.write, read: rights.read)
  }

  func topicPermissions(of user: BrokerUser) -> TopicPermissions? {
    user.role.topicPermissions(names).map {
      TopicPermissions(exchange: names.events, write: $0.write, read: $0.read)
    }
  }

  /// What `rabbitmqctl import_definitions` takes. Without passwords: nobody can log in as one of these users before it is given
  /// one, and it loses it when the same is imported again.
  func definitions() throws -> String {
    struct Document: Encodable {
      struct User: Encodable { let name, tags: String }
      struct VirtualHost: Encodable { let name: String }
      struct Permission: Encodable { let user, vhost, configure, write, read: String }
      struct TopicPermission: Encodable { let user, vhost, exchange, write, read: String }
      var vhosts: [VirtualHost]
      var users: [User]
      var permissions: [Permission]
      var topicPermissions: [TopicPermission]
    }
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let document = try encoder.encode(
      Document(
        vhosts: [.init(name: virtualHost)],
        users: users.map { .init(name: $0.name, tags: $0.role.tags.joined(separator: ",")) },
        permissions: users.map { user in
          let rights = permissions(of: user)
          return .init(
            user: user.name, vhost: virtualHost, configure: rights.configure,
            write: rights.write, read: rights.read)
        },
        topicPermissions: users.compactMap { user in
          topicPermissions(of: user).map {
            .init(
              user: user.name, vhost: virtualHost, exchange: $0.exchange, write: $0.write,
              read: $0.read)
          }
        }))
    return String(decoding: document, as: UTF8.self) + "\n"
  }

  /// The section of the server's configuration that says who is who; `nil` where none of the users is asked.
  var access: String? {
    var lines: [String] = []
    for user in users {
      var keys: [String] = []
      if user.role == .producer || user.role == .service {
        let tenants = user.tenants.map { $0.uuidString.lowercased() }
        keys.append(
          "tenants: \(tenants.count == 1 ? tenants[0] : "[\(tenants.joined(separator: ", "))]")")
      }
      if user.role == .worker || user.role == .service { keys.append("worker: true") }
      if !keys.isEmpty { lines.append("    \(user.name): {\(keys.joined(separator: ", "))}\n") }
    }
    return lines.isEmpty ? nil : "access:\n  broker:\n" + lines.joined()
  }
}
