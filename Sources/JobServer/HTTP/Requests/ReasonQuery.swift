import HummingbirdCore

/// Why a client cancels or deletes a job, for people.
struct ReasonQuery: Equatable {
  /// In characters.
  static let longest = 1000

  let reason: String?

  init(_ uri: URI) throws(APIProblem) {
    reason = try QueryParameters(uri, known: ["reason"])["reason"]
    if let reason, reason.count > Self.longest {
      throw .parameter("reason", "must have at most \(Self.longest) characters", reason)
    }
  }
}
