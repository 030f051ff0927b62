import ArgumentParser
import Foundation
import JobTransport
import Jobs
import Testing

@testable import WarrenCommand

@Suite("The users of the broker")
struct BrokerUsersTests {
  private static func users(_ arguments: String...) throws -> BrokerUsers {
    let command = try Warren.parseAsRoot(["broker", "setup"] + arguments)
    return try #require(command as? BrokerSetupCommand).options.users()
  }

  @Test("of compose/rabbitmq/definitions.json are those that setup makes")
  func definitions() throws {
    let file = (0..<3).reduce(URL(filePath: #filePath)) { url, _ in
      url.deletingLastPathComponent()
    }.appending(path: "compose/rabbitmq/definitions.json")
    let text = try Self.users().definitions()
    #expect(try String(contentsOf: file, encoding: .utf8) == text)
    #expect(!text.contains("password"))
  }

  @Test("are for the prefix and the virtual host that are named")
  func prefix() throws {
    let users = try Self.users("--prefix", "shop", "--vhost", "/shop")
    #expect(users.virtualHost == "/shop")
    let producer = users.permissions(of: users.users[0])
    #expect(producer.configure == "^to-shop-.+$")
    #expect(producer.write == #"^shop\.(submit|requests)$"#)
    #expect(users.topicPermissions(of: users.users[0])?.exchange == "shop.events")
  }

  @Test("may be one of a tenant, or a worker of some queues")
  func one() throws {
    let shop = UUID()
    let users = try Self.users(
      "--user", "shop", "--role", "service", "--tenant", shop.uuidString, "--queue", "download")
    #expect(users.users.map(\.name) == ["shop"])
    #expect(
      users.access
        == """
        access:
          broker:
            shop: {tenants: \(shop.uuidString.lowercased()), worker: true}

        """)
    #expect(users.permissions(of: users.users[0]).read.contains("|download)"))
    #expect(try Self.users("--user", "s", "--role", "server").access == nil)
  }

  @Test(
    "are refused where it is not clear what they are",
    arguments: [
      ["--user", "shop"], ["--role", "worker"], ["--user", "a/b", "--role", "worker"],
      ["--user", "a", "--role", "admin"], ["--tenant", UUID().uuidString], ["--queue", "download"],
    ])
  func refused(_ arguments: [String]) {
    #expect(throws: (any Error).self) {
      try Warren.parseAsRoot(["broker", "setup"] + arguments)
    }
  }

  @Test("have passwords that are compared with how RabbitMQ keeps them")
  func passwords() throws {
    // Of RabbitMQ's documentation: https://www.rabbitmq.com/docs/passwords
    let algorithm = "rabbit_password_hashing_sha256"
    let hash = try #require(
      PasswordHash("kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", algorithm))
    #expect(hash.isOf("test12"))
    #expect(!hash.isOf("test"))
    #expect(PasswordHash("", algorithm) == nil)
    #expect(PasswordHash("kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "other") == nil)
  }

  @Test(
    "are made through a management API whose URL holds no password",
    arguments: ["ftp://h", "http://", "http://guest:guest@h:15672", "h:15672"])
  func urls(_ url: String) {
    #expect(throws: BrokerSetupError.self) {
      try BrokerManagement(url: url, user: "guest", password: "guest")
    }
  }
}
