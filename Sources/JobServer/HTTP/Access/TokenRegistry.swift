import Crypto
package import Foundation
import HTTPTypes
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// What a client sends: 32 bytes at random. It is shown once, and kept by nobody but the client.
package struct TokenSecret: Sendable {
  private static let prefix = "wrn_"

  /// As it is sent.
  package let text: String

  /// A new one.
  package init() {
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    let base64 = Data(bytes).base64EncodedString()
    text =
      Self.prefix
      + base64.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }

  init(_ text: String) {
    self.text = text
  }

  /// Whether it may be one: it says so itself.
  static func isOne(_ text: String) -> Bool { text.hasPrefix(prefix) }

  /// What is stored of it. It is as random as the token is, so that it needs no salt, and may be looked up by an index.
  package var hash: Data { Data(SHA256.hash(data: Data(text.utf8))) }
}

/// The tokens that are in use, as they stand in the store. What was found is remembered for a few seconds: what this server changes
/// counts at once, what another process changes in the file soon.
final class TokenRegistry: Service {
  /// How long a token counts after it was revoked by another process.
  static let freshness = Duration.seconds(3)
  /// How many are remembered.
  static let mostRemembered = 10_000
  /// How often it is written when tokens were used last.
  static let interval = Duration.seconds(60)

  private struct Entry {
    let token: APIToken
    let until: Duration
  }

  private struct State {
    var entries: [Data: Entry] = [:]
    /// Raised with each change: what was read before it is not remembered.
    var generation = 0
    /// When tokens were used last, not yet written.
    var uses: [UUID: Timestamp] = [:]
  }

  let store: any AccessStore
  private let clock: any ServerClock
  private let log: ServerLog
  private let state = Mutex(State())

  init(store: any AccessStore, clock: any ServerClock, log: ServerLog) {
    self.store = store
    self.clock = clock
    self.log = log
  }

  /// The token that is in use.
  ///
  /// - Throws: ``APIProblem`` for one that is not.
  func token(for secret: TokenSecret) async throws(APIProblem) -> APIToken {
    guard let token = try await find(secret.hash) else {
      throw .unauthenticated("the token is not known", isInvalid: true)
    }
    // Whoever has it may know what has become of it.
    if token.revokedAt != nil {
      throw .unauthenticated("the token was revoked", isInvalid: true)
    }
    let now = clock.now
    if let end = token.expiresAt, end <= now {
      throw .unauthenticated("the token has expired", isInvalid: true)
    }
    state.withLock { $0.uses[token.id] = now }
    return token
  }

  private func find(_ hash: Data) async throws(APIProblem) -> APIToken? {
    let uptime = clock.uptime
    let (known, generation) = state.withLock { ($0.entries[hash], $0.generation) }
    if let known, known.until > uptime { return known.token }
    do throws(StoreError) {
      let token = try await store.token(hash: hash)
      state.withLock { state in
        guard state.generation == generation else { return }
        // What is not there is not remembered: it may be made at any moment.
        if state.entries.count >= Self.mostRemembered { state.entries = [:] }
        state.entries[hash] = token.map { Entry(token: $0, until: uptime + Self.freshness) }
      }
      return token
    } catch {
      log.count(\.storeFailures)
      log.burst(.error, "tokens could not be read", ["error": "\(error)"])
      throw .storeUnavailable
    }
  }

  /// Stores a new token.
  ///
  /// - Returns: whether it was: another may have its name.
  func add(_ token: APIToken, _ secret: TokenSecret) async throws(StoreError) -> Bool {
    try await store.add(token, hash: secret.hash)
  }

  /// Revokes a token: it does not count any more when this returns.
  func revoke(_ id: UUID, tenant: UUID?) async throws(StoreError) -> APIToken? {
    let token = try await store.revokeToken(id, tenant: tenant, at: clock.now)
    state.withLock { state in
      state.generation += 1
      state.entries = [:]
    }
    return token
  }

  func run() async throws {
    await cancelWhenGracefulShutdown { [self] in
      while (try? await clock.sleep(for: Self.interval)) != nil { await writeUses() }
    }
    await writeUses()
  }

  /// Writes when tokens were used last.
  func writeUses() async {
    let uses = state.withLock { state in
      defer { state.uses = [:] }
      return state.uses
    }
    do throws(StoreError) {
      try await store.noteUse(of: uses)
    } catch {
      // The next use is written again.
      log.burst(.warning, "when tokens were used could not be written", ["error": "\(error)"])
    }
  }
}
