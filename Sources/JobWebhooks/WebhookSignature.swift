import Crypto
import Foundation
package import Jobs

/// What a request carries so that its receiver knows from whom it comes (Standard Webhooks, "Signature scheme").
package struct WebhookSignature: Sendable, Hashable {
  /// The same however often an event is sent: a receiver that has met it needs not look at it again.
  package let id: String
  /// When the request is sent, in Unix seconds.
  package let timestamp: Int64
  /// One for each secret, separated by spaces.
  package let signatures: String

  package init(id: String, timestamp: Int64, body: [UInt8], secrets: [WebhookSecret]) {
    self.id = id
    self.timestamp = timestamp
    let signed = Array("\(id).\(timestamp).".utf8) + body
    signatures = secrets.map { secret in
      let code = HMAC<SHA256>.authenticationCode(
        for: signed, using: SymmetricKey(data: secret.key))
      return "v1," + Data(code).base64EncodedString()
    }.joined(separator: " ")
  }

  package var headers: [(name: String, value: String)] {
    [
      ("webhook-id", id), ("webhook-timestamp", String(timestamp)),
      ("webhook-signature", signatures),
    ]
  }
}
