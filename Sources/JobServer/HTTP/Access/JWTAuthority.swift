import Dispatch
import Foundation
import JWTKit
import Jobs
import Logging
import Synchronization

/// Whose JWTs are taken, and what they say by which claims.
package struct JWTSettings: Sendable, Hashable {
  /// The claim `iss` has to be this.
  package var issuer: String
  /// The claim `aud` has to be this, or have it among others.
  package var audience: String
  /// The path of a file with the issuer's public keys, a JSON Web Key Set (RFC 7517).
  package var jwks: String
  /// By how much the clocks of issuer and server may differ.
  package var leeway = Duration.seconds(30)
  /// The claims that say for which tenant (a UUID, or `*`), for which user, and in which role somebody asks.
  package var tenantClaim = "tenant_id"
  package var userClaim = "user_id"
  package var roleClaim = "role"
  /// The claims with patterns of job types and queues.
  package var typesClaim = "types"
  package var queuesClaim = "queues"

  package init(issuer: String, audience: String, jwks: String) {
    self.issuer = issuer
    self.audience = audience
    self.jwks = jwks
  }
}

/// Why a JWT is not taken, in words that have nothing of it but names of claims.
struct JWTRefusal: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }
}

/// Believes the JWTs of one issuer. The file with its keys is looked at again every few seconds, if JWTs come, so that new keys count
/// and removed ones do not.
final class JWTAuthority: Sendable {
  /// How often the file is looked at, at most.
  static let interval = Duration.seconds(5)

  private struct State {
    var keys: JWTKeys
    var looked: Duration
  }

  let settings: JWTSettings
  private let clock: any ServerClock
  private let log: ServerLog
  private let state: Mutex<State>

  /// Reads the keys.
  ///
  /// - Throws: ``JWTKeysError`` when that cannot be done.
  init(
    _ settings: JWTSettings, clock: any ServerClock = SystemClock(), log: ServerLog
  ) async throws {
    self.settings = settings
    self.clock = clock
    self.log = log
    state = Mutex(State(keys: try await JWTKeys.read(settings.jwks), looked: clock.uptime))
  }

  /// Whether it may be a JWT: three parts.
  static func isOne(_ token: String) -> Bool {
    token.utf8.count { $0 == UInt8(ascii: ".") } == 2
  }

  /// Reads the keys again, whether the file has changed or not.
  func reload() async {
    do {
      let keys = try await JWTKeys.read(settings.jwks)
      state.withLock { $0.keys = keys }
    } catch {
      log.burst(
        .error, "the keys for JWTs cannot be read; those that were read before count",
        ["error": "\(error)"])
    }
  }

  /// Who a JWT says that asks.
  func principal(of token: String) async throws(JWTRefusal) -> Principal {
    let header = try JWTHead(of: token)
    if takesLook(), await JWTKeys.stamp(of: settings.jwks) != state.withLock({ $0.keys.stamp }) {
      await reload()
    }
    guard let key = state.withLock({ $0.keys.key(header.key) }) else {
      throw JWTRefusal("its key (kid) is none of the issuer's")
    }
    // The key says which algorithm it is for, not whoever sends a token.
    guard key.algorithm == header.algorithm else {
      throw JWTRefusal("its algorithm is not that of the key, which is for \(key.algorithm)")
    }
    let claims: Claims
    do {
      claims = try await key.collection.verify(token, as: Claims.self)
    } catch {
      throw JWTRefusal("its signature is not the issuer's, or it is no JWT")
    }
    return try settings.principal(of: claims.members, at: clock.now)
  }

  private func takesLook() -> Bool {
    let uptime = clock.uptime
    return state.withLock { state in
      guard uptime - state.looked >= Self.interval else { return false }
      state.looked = uptime
      return true
    }
  }

  /// All that a JWT says: it is looked at here, since JWTKit's own claims end the process on some (an empty `aud`).
  private struct Claims: JWTPayload {
    let members: [String: JSONValue]

    init(from decoder: any Decoder) throws {
      members = try JSONValue(from: decoder).members ?? [:]
    }

    func encode(to encoder: any Encoder) throws {
      try JSONValue.object(members).encode(to: encoder)
    }

    func verify(using algorithm: some JWTAlgorithm) {}
  }
}

/// The head of a JWT (RFC 7515, section 4).
struct JWTHead: Equatable {
  let algorithm: String
  let key: String?

  init(of token: String) throws(JWTRefusal) {
    var text = String(token.prefix { $0 != "." })
      .replacing("-", with: "+").replacing("_", with: "/")
    text += String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
    guard let bytes = Data(base64Encoded: text),
      let members = (try? JSONValue(parsing: bytes))?.members,
      case .string(let algorithm)? = members["alg"]
    else { throw JWTRefusal("it is no JWT") }
    // What must be understood, is not.
    guard members["crit"] == nil else { throw JWTRefusal("its head has crit") }
    self.algorithm = algorithm
    switch members["kid"] {
    case nil: key = nil
    case .string(let name): key = name
    default: throw JWTRefusal("its kid is no text")
    }
  }
}

extension JWTSettings {
  /// Who asks by these claims, if they hold now.
  func principal(
    of claims: [String: JSONValue], at now: Timestamp
  ) throws(JWTRefusal) -> Principal {
    guard claims["iss"] == .string(issuer) else { throw JWTRefusal("its iss is another issuer") }
    guard try Self.words(claims["aud"], "aud").contains(audience) else {
      throw JWTRefusal("its aud is not \(audience)")
    }
    guard let end = try Self.moment(claims["exp"], "exp") else { throw JWTRefusal("it has no exp") }
    guard now < end + leeway else { throw JWTRefusal("it has expired") }
    if let begin = try Self.moment(claims["nbf"], "nbf"), begin > now + leeway {
      throw JWTRefusal("its nbf has not come yet")
    }
    guard case .string(let subject)? = claims["sub"], !subject.isEmpty else {
      throw JWTRefusal("it has no sub")
    }
    let roles = try Self.words(claims[roleClaim], roleClaim).compactMap(APIRole.init(rawValue:))
    guard let role = roles.max() else {
      throw JWTRefusal(
        "its claim \(roleClaim) has none of the roles "
          + APIRole.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return Principal(
      kind: .subject(Self.shown(subject)), tenant: try tenant(claims[tenantClaim]),
      user: try user(claims[userClaim]), role: role,
      scope: JobScope(
        types: try Self.patterns(claims[typesClaim], typesClaim),
        queues: try Self.patterns(claims[queuesClaim], queuesClaim)), expiresAt: end)
  }

  /// Nothing of it is a line of its own in a log, or moves a terminal's cursor.
  private static func shown(_ subject: String) -> String {
    String(
      subject.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : Character($0) }
    )
    .shortened(to: 200)
  }

  private func tenant(_ claim: JSONValue?) throws(JWTRefusal) -> TenantAccess {
    guard case .string(let text)? = claim else {
      throw JWTRefusal("it has no claim \(tenantClaim), a tenant's UUID or *")
    }
    if text == "*" { return .every }
    guard let id = UUID(uuidString: text) else {
      throw JWTRefusal("its claim \(tenantClaim) is neither a UUID nor *")
    }
    return .one(id)
  }

  private func user(_ claim: JSONValue?) throws(JWTRefusal) -> UUID? {
    guard let claim, claim != .null else { return nil }
    guard case .string(let text) = claim, let id = UUID(uuidString: text) else {
      throw JWTRefusal("its claim \(userClaim) is no UUID")
    }
    return id
  }

  /// Seconds since 1970 (RFC 7519, section 2).
  private static func moment(
    _ claim: JSONValue?, _ name: String
  ) throws(JWTRefusal) -> Timestamp? {
    let seconds: Double
    switch claim {
    case nil: return nil
    case .integer(let number): seconds = Double(number)
    case .number(let number): seconds = number
    default: throw JWTRefusal("its \(name) is no number")
    }
    guard (0...1e11).contains(seconds) else { throw JWTRefusal("its \(name) is no time") }
    return Timestamp(milliseconds: Int64(seconds * 1000))
  }

  /// A text, or several.
  private static func words(
    _ claim: JSONValue?, _ name: String
  ) throws(JWTRefusal) -> [String] {
    switch claim {
    case nil, .null: return []
    case .string(let text): return [text]
    case .array(let elements):
      let words = elements.compactMap { element in
        if case .string(let text) = element { text } else { nil }
      }
      guard words.count == elements.count else {
        throw JWTRefusal("its \(name) is no list of texts")
      }
      return words
    default: throw JWTRefusal("its \(name) is neither a text nor a list of texts")
    }
  }

  private static func patterns(
    _ claim: JSONValue?, _ name: String
  ) throws(JWTRefusal) -> [NamePattern] {
    let words = try words(claim, name)
    // No pattern at all would be any: a claim that is there has to say something.
    guard claim == nil || claim == .null || !words.isEmpty else {
      throw JWTRefusal("its \(name) is empty")
    }
    return try words.map { word throws(JWTRefusal) in
      guard let pattern = NamePattern(word) else { throw JWTRefusal("its \(name) is no pattern") }
      return pattern
    }
  }
}
