import Crypto
import Foundation
import JobTransport

/// Compares the broker's users with what they should be, and makes them so.
struct BrokerSetup {
  let management: BrokerManagement
  let wanted: BrokerUsers
  /// A folder with a file for each user's password.
  var passwords: URL?
  /// Whether nothing is changed.
  var isDry = false

  /// What was found of one thing, and what was done about it.
  struct Finding: Sendable, Equatable {
    let subject: String
    let state: State

    enum State: Sendable, Equatable {
      case right
      /// What is, or was, otherwise.
      case wrong(String)
    }

    var isRight: Bool { state == .right }
  }

  private struct User: Decodable {
    let passwordHash: String?
    let hashingAlgorithm: String?
    let tags: Tags

    /// RabbitMQ gives one who is imported without a password an empty one, and lets nobody log in with that.
    var hasPassword: Bool {
      passwordHash?.isEmpty == false
        && PasswordHash(passwordHash, hashingAlgorithm)?.isOf("") != true
    }

    /// A list, or a text with commas, as old brokers have it.
    struct Tags: Decodable {
      let all: Set<String>

      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let list = try? container.decode([String].self) {
          all = Set(list)
        } else {
          all = Set(try container.decode(String.self).split(separator: ",").map(String.init))
        }
      }
    }
  }

  private struct Nothing: Codable {}

  /// Goes through all of it, in the order in which it has to be made.
  ///
  /// - Parameter tell: told of each finding once it has been dealt with.
  func run(_ tell: (Finding) -> Void) async throws {
    let host = wanted.virtualHost
    if try await management.get(["vhosts", host], as: Nothing.self) == nil {
      if !isDry { try await management.put(["vhosts", host], Nothing()) }
      tell(Finding(subject: "virtual host \(host)", state: .wrong("is missing")))
    } else {
      tell(Finding(subject: "virtual host \(host)", state: .right))
    }
    for user in wanted.users {
      tell(try await settle(user))
      tell(try await settlePermissions(of: user))
      if let topic = wanted.topicPermissions(of: user) {
        tell(try await settle(topic, of: user))
      }
    }
  }

  private struct NewUser: Encodable {
    var password: String?
    var passwordHash: String?
    var hashingAlgorithm: String?
    let tags: String
  }

  /// The user itself: its tags and its password.
  private func settle(_ user: BrokerUser) async throws -> Finding {
    let found = try await management.get(["users", user.name], as: User.self)
    var faults: [String] = []
    if let found {
      if found.tags.all != Set(user.role.tags) {
        faults.append("has the tags \(Self.list(found.tags.all)), not \(Self.list(user.role.tags))")
      }
      if !found.hasPassword { faults.append("has no password") }
    } else {
      faults.append("is missing")
    }
    let hasPassword = found?.hasPassword == true
    var password = try storedPassword(of: user)
    if let known = password, let found, hasPassword {
      if PasswordHash(found.passwordHash, found.hashingAlgorithm)?.isOf(known) == true {
        password = nil
      } else {
        faults.append("has another password than its file says")
      }
    }
    guard !faults.isEmpty else { return Finding(subject: "user \(user.name)", state: .right) }
    var fault = faults.joined(separator: ", ")
    if !isDry {
      let tags = user.role.tags.joined(separator: ",")
      if hasPassword, password == nil {
        try await management.put(
          ["users", user.name],
          NewUser(
            passwordHash: found?.passwordHash, hashingAlgorithm: found?.hashingAlgorithm,
            tags: tags))
      } else {
        let (secret, place) = try password.map { ($0, nil) } ?? makePassword(of: user)
        try await management.put(["users", user.name], NewUser(password: secret, tags: tags))
        if let place { fault += "; its password is \(place)" }
      }
    }
    return Finding(subject: "user \(user.name)", state: .wrong(fault))
  }

  private static func list(_ tags: some Sequence<String>) -> String {
    let tags = tags.sorted()
    return tags.isEmpty ? "(none)" : tags.joined(separator: ", ")
  }

  private func settlePermissions(of user: BrokerUser) async throws -> Finding {
    let (path, right) = (
      ["permissions", wanted.virtualHost, user.name], wanted.permissions(of: user)
    )
    let subject = "permissions of \(user.name)"
    let found = try await management.get(path, as: BrokerUsers.Permissions.self)
    guard found != right else { return Finding(subject: subject, state: .right) }
    if !isDry { try await management.put(path, right) }
    let fault =
      found.map {
        "were configure \($0.configure) write \($0.write) read \($0.read)"
      } ?? "are missing"
    return Finding(
      subject: subject,
      state: .wrong(
        "\(fault); right is configure \(right.configure) write \(right.write) read \(right.read)"))
  }

  private func settle(
    _ right: BrokerUsers.TopicPermissions, of user: BrokerUser
  ) async throws -> Finding {
    let path = ["topic-permissions", wanted.virtualHost, user.name]
    let subject = "topic permissions of \(user.name)"
    let found = try await management.get(path, as: [BrokerUsers.TopicPermissions].self) ?? []
    let others = found.filter { $0.exchange == right.exchange }
    guard others != [right] else { return Finding(subject: subject, state: .right) }
    if !isDry { try await management.put(path, right) }
    let fault = others.first.map { "were write \($0.write) read \($0.read)" } ?? "are missing"
    return Finding(
      subject: subject,
      state: .wrong("\(fault); right is write \(right.write) read \(right.read)"))
  }

  // MARK: Passwords

  private func file(of user: BrokerUser) -> URL? { passwords?.appending(path: user.name) }

  private func storedPassword(of user: BrokerUser) throws -> String? {
    guard let path = file(of: user)?.path, FileManager.default.fileExists(atPath: path) else {
      return nil
    }
    return try SecretText.read(path)
  }

  /// - Returns: a new password, and where it can be read.
  private func makePassword(of user: BrokerUser) throws -> (secret: String, place: String?) {
    var random = SystemRandomNumberGenerator()
    let bytes = (0..<24).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    let secret = Data(bytes).base64EncodedString()
      .replacing("+", with: "-").replacing("/", with: "_")
    guard let file = file(of: user) else { return (secret, "\(secret) (it is not shown again)") }
    guard
      FileManager.default.createFile(
        atPath: file.path, contents: Data("\(secret)\n".utf8),
        attributes: [.posixPermissions: 0o600])
    else { throw BrokerSetupError.usage("the password cannot be written to \(file.path)") }
    return (secret, "in \(file.path)")
  }
}

/// How RabbitMQ keeps a password: four bytes of salt, and the hash of both.
struct PasswordHash {
  private let salt: [UInt8]
  private let digest: [UInt8]

  /// `nil` for one that is kept in another way.
  init?(_ text: String?, _ algorithm: String?) {
    guard algorithm == "rabbit_password_hashing_sha256", let text,
      let bytes = Data(base64Encoded: text), bytes.count == 36
    else { return nil }
    salt = Array(bytes.prefix(4))
    digest = Array(bytes.dropFirst(4))
  }

  func isOf(_ password: String) -> Bool {
    Array(SHA256.hash(data: salt + Array(password.utf8))) == digest
  }
}
