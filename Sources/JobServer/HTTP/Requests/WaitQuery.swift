import HummingbirdCore
import Jobs

/// How long a client waits for a job.
struct WaitQuery: Equatable {
  /// In seconds; what stands between client and server often gives up after a minute.
  static let limits = 0.0...60.0
  static let defaultLimit = 30.0

  let limit: Duration

  init(_ uri: URI) throws(APIProblem) {
    let query = try QueryParameters(uri, known: ["timeout"])
    guard let text = query["timeout"] else {
      limit = .seconds(Self.defaultLimit)
      return
    }
    guard let seconds = Double(text), Self.limits.contains(seconds) else {
      throw .parameter("timeout", "must be a number of seconds from 0 to 60", text)
    }
    limit = .seconds(seconds)
  }
}
