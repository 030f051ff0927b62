/// The `type` property of Warren's own messages. A job type always has a colon, so that the two cannot be confused.
enum MessageKind {
  static let ticket = "warren.ticket"
  static let claims = "warren.claims"
  static let locks = "warren.locks"
  static let worker = "warren.worker"
  static let command = "warren.command"
  static let cancel = "warren.cancel"
  static let job = "warren.job"
  static let lease = "warren.lease"
  static let event = "warren.event"
}
