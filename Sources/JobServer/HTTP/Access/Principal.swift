import Foundation
import HTTPTypes
import Jobs

/// Who asks, as far as that is known, and what that somebody may do.
struct Principal: Sendable, Hashable {
  enum Kind: Sendable, Hashable {
    /// Nobody has to prove anything.
    case anyone
    case token(id: UUID, name: String)
    /// The subject of a JWT.
    case subject(String)
  }

  var kind: Kind
  /// For whom it speaks.
  var tenant: TenantAccess
  /// Who it is; `nil` leaves that to `X-User-ID`.
  var user: UUID?
  var role: APIRole
  /// The jobs that it sees and schedules.
  var scope = JobScope.all
  var expiresAt: Timestamp?

  /// Where the API listens to this machine alone.
  static let anyone = Principal(kind: .anyone, tenant: .every, role: .admin)

  init(
    kind: Kind, tenant: TenantAccess, user: UUID? = nil, role: APIRole, scope: JobScope = .all,
    expiresAt: Timestamp? = nil
  ) {
    self.kind = kind
    self.tenant = tenant
    self.user = user
    self.role = role
    self.scope = scope
    self.expiresAt = expiresAt
  }

  init(_ token: APIToken) {
    self.init(
      kind: .token(id: token.id, name: token.name), tenant: token.tenant, user: token.user,
      role: token.role, scope: JobScope(types: token.types, queues: token.queues),
      expiresAt: token.expiresAt)
  }

  /// As it stands in the audit log.
  var description: String {
    switch kind {
    case .anyone: "none"
    case .token(let id, let name): "token \(id.uuidString.lowercased()) \(name)"
    case .subject(let name): "jwt \(name)"
    }
  }
}

/// Who asks, and for which tenant and user: whoever names none, and is bound to none, is the one of zeros.
struct Caller: Sendable, Equatable {
  static let tenantHeader = "X-Tenant-ID"
  static let userHeader = "X-User-ID"

  let principal: Principal
  let tenant: UUID
  let user: UUID

  /// Of the tenant and the user of zeros.
  static let nobody = Caller(principal: .anyone, tenant: .zero, user: .zero)

  var scope: JobScope { principal.scope }

  /// Whether it sees what is everybody's: counts of all tenants, workers and what they run.
  var seesEverything: Bool {
    principal.tenant == .every && principal.role >= .operate && scope == .all
  }

  private init(principal: Principal, tenant: UUID, user: UUID) {
    self.principal = principal
    self.tenant = tenant
    self.user = user
  }

  /// - Throws: ``APIProblem`` when the headers cannot be read, or name a tenant or user for whom the principal does not speak.
  init(_ headers: HTTPFields, as principal: Principal = .anyone) throws(APIProblem) {
    self.principal = principal
    let tenant = try Self.uuid(Self.tenantHeader, in: headers)
    switch principal.tenant {
    case .every: self.tenant = tenant ?? .zero
    case .one(let own):
      guard tenant == nil || tenant == own else {
        throw .forbidden(
          "whoever asks speaks for another tenant than \(Self.tenantHeader) names; leave the header"
            + " out, or name your own")
      }
      self.tenant = own
    }
    let user = try Self.uuid(Self.userHeader, in: headers)
    if let own = principal.user, let user, user != own {
      throw .forbidden(
        "whoever asks is another user than \(Self.userHeader) names; leave the header out, or name"
          + " your own")
    }
    self.user = principal.user ?? user ?? .zero
  }

  private static func uuid(_ name: String, in headers: HTTPFields) throws(APIProblem) -> UUID? {
    let values = headers.filter { $0.name.canonicalName == name.lowercased() }.map(\.value)
    guard let text = values.first else { return nil }
    guard values.count == 1 else {
      throw APIProblem(.invalidParameter, "the header \(name) is given twice")
    }
    guard let uuid = UUID(uuidString: text) else {
      throw APIProblem(
        .invalidParameter, "the header \(name) must be a UUID, not '\(text.prefix(100))'")
    }
    return uuid
  }
}

extension APIProblem {
  /// 403, as RFC 6750 (section 3.1) has it.
  static func forbidden(_ detail: String) -> APIProblem {
    APIProblem(
      .forbidden, detail,
      headers: [.wwwAuthenticate: #"Bearer realm="warren", error="insufficient_scope""#])
  }

  /// 401, as RFC 6750 (section 3) has it.
  ///
  /// - Parameter isInvalid: whether there is a token, that is not taken.
  static func unauthenticated(_ detail: String, isInvalid: Bool) -> APIProblem {
    let error = isInvalid ? #", error="invalid_token""# : ""
    return APIProblem(
      .unauthenticated, detail, headers: [.wwwAuthenticate: "Bearer realm=\"warren\"\(error)"])
  }
}
