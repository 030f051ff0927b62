package import Foundation

/// Who may say what over the broker: by the user that is logged in there, of whom the property `user_id` of a message tells. The
/// broker refuses a message that names another user than the one who publishes it
/// (https://www.rabbitmq.com/docs/validated-user-id), so that it can be believed.
package struct BrokerAccess: Sendable, Hashable {
  /// For whom a user may speak.
  package enum Tenants: Sendable, Hashable {
    case only(Set<UUID>)
    case any
  }

  /// What a user may do.
  package struct Rights: Sendable, Hashable {
    /// For whom it submits and cancels jobs, and asks about them.
    package var tenants: Tenants
    /// Whether it runs jobs, and reports of them.
    package var isWorker: Bool

    package init(tenants: Tenants = .only([]), isWorker: Bool = false) {
      self.tenants = tenants
      self.isWorker = isWorker
    }
  }

  /// By the user's name; `nil` leaves everything to the permissions that the broker gives.
  package var users: [String: Rights]?

  package init(users: [String: Rights]? = nil) {
    self.users = users
  }

  /// Whose jobs a message is about.
  ///
  /// - Parameters:
  ///   - named: what the message says itself; the UUID of zeros where it says nothing.
  ///   - user: what it says in `user_id`.
  package func tenant(_ named: UUID, by user: String?) throws(BrokerAccessError) -> UUID {
    guard let users else { return named }
    let (name, rights) = try rights(of: user, users)
    switch rights.tenants {
    case .any: return named
    case .only(let tenants) where tenants.isEmpty:
      throw BrokerAccessError(
        "the broker's user \(name) may neither submit jobs nor ask about them")
    case .only(let tenants):
      if tenants.contains(named) { return named }
      guard named == .zero else {
        throw BrokerAccessError(
          "the broker's user \(name) may not speak for the tenant \(named.uuidString.lowercased())")
      }
      guard let only = tenants.first, tenants.count == 1 else {
        throw BrokerAccessError(
          "the broker's user \(name) speaks for several tenants: name one in the header tenant-id")
      }
      return only
    }
  }

  /// Throws unless a message comes from somebody who runs jobs.
  package func checkWorker(_ user: String?) throws(BrokerAccessError) {
    guard let users else { return }
    let (name, rights) = try rights(of: user, users)
    guard rights.isWorker else {
      throw BrokerAccessError("the broker's user \(name) is no worker")
    }
  }

  private func rights(
    of user: String?, _ users: [String: Rights]
  ) throws(BrokerAccessError) -> (name: String, Rights) {
    guard let user else {
      throw BrokerAccessError(
        "the message does not say who sends it: its property user_id must be the name of the"
          + " broker's user")
    }
    let name = "'\(user.prefix(100))'"
    guard let rights = users[user] else {
      throw BrokerAccessError("the broker's user \(name) is not known to the server")
    }
    return (name, rights)
  }
}

/// Why somebody may not do something over the broker.
package struct BrokerAccessError: Error, Hashable, CustomStringConvertible {
  package let description: String

  init(_ description: String) {
    self.description = description
  }
}
