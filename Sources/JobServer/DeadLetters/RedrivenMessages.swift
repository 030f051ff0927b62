import AMQP
import Foundation
import JobTransport
import Jobs

/// Messages that were dead letters and have been published again by the server. Where the server asks who is who, what such a
/// message says of itself is believed only under the server's own user of the broker, and it is judged by who sent it first.
struct RedrivenMessages: Sendable {
  let store: any DeadLetterStore
  let access: BrokerAccess
  /// The broker's user that the server is.
  let ownUser: String

  /// Which letter a message was; `nil` where it was none, or only says so.
  func provenance(of message: Message) -> DeadLetterProvenance? {
    guard believes(message.properties.userID) else { return nil }
    return DeadLetter.provenance(of: message)
  }

  func believes(_ user: String?) -> Bool { access.users == nil || user == ownUser }

  /// Who has sent messages.
  func senders(of messages: [Message]) async throws(StoreError) -> Senders {
    guard access.users != nil else { return Senders(provenance: { _ in nil }, first: [:]) }
    var first: [UUID: String] = [:]
    for message in messages {
      guard let letter = provenance(of: message)?.letter, first[letter] == nil else { continue }
      first[letter] = try await store.deadLetter(letter, tenant: nil)?.record.user
    }
    return Senders(provenance: { provenance(of: $0) }, first: first)
  }

  /// Who has sent each message of a set.
  struct Senders: Sendable {
    fileprivate let provenance: @Sendable (Message) -> DeadLetterProvenance?
    /// By the letter.
    fileprivate let first: [UUID: String]

    /// The broker's user, of one that was redriven the one who sent it first.
    func user(of message: Message) -> String? {
      guard let provenance = provenance(message) else { return message.properties.userID }
      return first[provenance.letter]
    }
  }
}
