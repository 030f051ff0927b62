public import Foundation

/// For whom somebody speaks. In JSON it is a tenant's id, or `*`.
public enum TenantAccess: Sendable, Hashable {
  /// For that tenant alone.
  case one(UUID)
  /// For any tenant, which each request names in `X-Tenant-ID`.
  case every
}

extension TenantAccess: Codable {
  /// Reads a text.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    if text == "*" {
      self = .every
    } else if let id = UUID(uuidString: text) {
      self = .one(id)
    } else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "a tenant is a UUID, or * for all")
    }
  }

  /// Writes a text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .one(let id): try container.encode(id.uuidString.lowercased())
    case .every: try container.encode("*")
    }
  }
}

/// What a token gives: all that is known of one but the token itself.
public struct APIToken: Sendable, Hashable, Codable {
  /// Its own id.
  public let id: UUID
  /// What people call it; no two that are in use have the same.
  public let name: String
  /// For whom it speaks.
  public let tenant: TenantAccess
  /// Who uses it; `nil` leaves that to `X-User-ID`.
  public let user: UUID?
  /// What it may do.
  public let role: APIRole
  /// The job types that it sees and schedules; none is any.
  public let types: [NamePattern]
  /// The job queues that it sees and schedules to; none is any.
  public let queues: [NamePattern]
  /// When it was made.
  public let createdAt: Timestamp
  /// Who made it.
  public let createdBy: String
  /// From when on it is refused; `nil` is never.
  public let expiresAt: Timestamp?
  /// When it was revoked.
  public package(set) var revokedAt: Timestamp?
  /// When it was used last, to a minute or so.
  public package(set) var lastUsedAt: Timestamp?

  /// What a server answers with.
  public init(
    id: UUID, name: String, tenant: TenantAccess, user: UUID? = nil, role: APIRole,
    types: [NamePattern] = [], queues: [NamePattern] = [], createdAt: Timestamp,
    createdBy: String, expiresAt: Timestamp? = nil, revokedAt: Timestamp? = nil,
    lastUsedAt: Timestamp? = nil
  ) {
    self.id = id
    self.name = name
    self.tenant = tenant
    self.user = user
    self.role = role
    self.types = types
    self.queues = queues
    self.createdAt = createdAt
    self.createdBy = createdBy
    self.expiresAt = expiresAt
    self.revokedAt = revokedAt
    self.lastUsedAt = lastUsedAt
  }

  /// The most bytes of a name.
  package static let longestName = 100

  /// Whether a token may be called that: nothing of it is a line of its own in a log, or moves a terminal's cursor.
  package static func isName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= longestName
      && name.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
  }

  private enum CodingKeys: String, CodingKey {
    case id, name, role, types, queues
    case tenant = "tenant_id"
    case user = "user_id"
    case createdAt = "created_at"
    case createdBy = "created_by"
    case expiresAt = "expires_at"
    case revokedAt = "revoked_at"
    case lastUsedAt = "last_used_at"
  }

  /// Ids are written in lower case.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(id.uuidString.lowercased(), forKey: .id)
    try container.encode(name, forKey: .name)
    try container.encode(tenant, forKey: .tenant)
    try container.encodeIfPresent(user?.uuidString.lowercased(), forKey: .user)
    try container.encode(role, forKey: .role)
    try container.encode(types, forKey: .types)
    try container.encode(queues, forKey: .queues)
    try container.encode(createdAt, forKey: .createdAt)
    try container.encode(createdBy, forKey: .createdBy)
    try container.encodeIfPresent(expiresAt, forKey: .expiresAt)
    try container.encodeIfPresent(revokedAt, forKey: .revokedAt)
    try container.encodeIfPresent(lastUsedAt, forKey: .lastUsedAt)
  }
}

/// A new token: the one time that it is shown.
public struct IssuedToken: Sendable, Hashable, Codable {
  /// What the client sends as `Authorization: Bearer`. Nobody can show it again.
  public let secret: String
  /// What it gives.
  public let token: APIToken

  /// What a server answers with.
  public init(secret: String, token: APIToken) {
    self.secret = secret
    self.token = token
  }
}

/// What a token is to give: the body of `POST /tokens`.
public struct TokenRequest: Sendable, Hashable, Codable {
  /// What people call it: 1 to 100 characters.
  public var name: String
  /// What it may do.
  public var role: APIRole
  /// For whom it speaks; `nil` is the tenant of whoever asks.
  public var tenant: TenantAccess?
  /// Who uses it.
  public var user: UUID?
  /// The job types that it sees and schedules; none is any.
  public var types: [NamePattern]
  /// The job queues that it sees and schedules to; none is any.
  public var queues: [NamePattern]
  /// From when on it is refused; `nil` is never.
  public var expiresAt: Timestamp?

  /// A request.
  public init(
    name: String, role: APIRole, tenant: TenantAccess? = nil, user: UUID? = nil,
    types: [NamePattern] = [], queues: [NamePattern] = [], expiresAt: Timestamp? = nil
  ) {
    self.name = name
    self.role = role
    self.tenant = tenant
    self.user = user
    self.types = types
    self.queues = queues
    self.expiresAt = expiresAt
  }

  private enum CodingKeys: String, CodingKey {
    case name, role, types, queues
    case tenant = "tenant_id"
    case user = "user_id"
    case expiresAt = "expires_at"
  }
}

/// The tokens that there are, the newest first: the answer to `GET /tokens`.
public struct TokenList: Sendable, Hashable, Codable {
  /// At most a thousand.
  public let tokens: [APIToken]

  /// What a server answers with.
  public init(tokens: [APIToken]) {
    self.tokens = tokens
  }
}

/// Who asks, as the server sees it: the answer to `GET /whoami`.
public struct CallerDescription: Sendable, Hashable, Codable {
  /// How that is known: `none` where it is believed, `token` or `jwt`.
  public let authentication: String
  /// The token's name, or the JWT's subject.
  public let name: String?
  /// For whom it speaks.
  public let tenant: TenantAccess
  /// The tenant of this request.
  public let requestTenant: UUID
  /// The user of this request; the UUID of zeros for none.
  public let requestUser: UUID
  /// What it may do.
  public let role: APIRole
  /// The job types that it sees and schedules; none is any.
  public let types: [NamePattern]
  /// The job queues that it sees and schedules to; none is any.
  public let queues: [NamePattern]
  /// From when on it is refused.
  public let expiresAt: Timestamp?

  /// What a server answers with.
  public init(
    authentication: String, name: String?, tenant: TenantAccess, requestTenant: UUID,
    requestUser: UUID, role: APIRole, types: [NamePattern], queues: [NamePattern],
    expiresAt: Timestamp?
  ) {
    self.authentication = authentication
    self.name = name
    self.tenant = tenant
    self.requestTenant = requestTenant
    self.requestUser = requestUser
    self.role = role
    self.types = types
    self.queues = queues
    self.expiresAt = expiresAt
  }

  private enum CodingKeys: String, CodingKey {
    case authentication, name, role, types, queues
    case tenant = "tenant_access"
    case requestTenant = "tenant_id"
    case requestUser = "user_id"
    case expiresAt = "expires_at"
  }

  /// Ids are written in lower case.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(authentication, forKey: .authentication)
    try container.encodeIfPresent(name, forKey: .name)
    try container.encode(tenant, forKey: .tenant)
    try container.encode(requestTenant.uuidString.lowercased(), forKey: .requestTenant)
    try container.encode(requestUser.uuidString.lowercased(), forKey: .requestUser)
    try container.encode(role, forKey: .role)
    try container.encode(types, forKey: .types)
    try container.encode(queues, forKey: .queues)
    try container.encodeIfPresent(expiresAt, forKey: .expiresAt)
  }
}

/// Something that was asked of the server, and how it answered: a row of the audit log.
public struct AuditEntry: Sendable, Hashable, Codable {
  /// Its number: later entries have higher ones. 0 before it is stored.
  public package(set) var number: Int64
  /// When.
  public let at: Timestamp
  /// Who: `token` and its id and name, `jwt` and its subject, or `none`.
  public let principal: String
  /// Of which tenant.
  public let tenantID: UUID
  /// Of which user; the UUID of zeros where none is named.
  public let userID: UUID
  /// What whoever asked may do.
  public let role: APIRole
  /// What was asked for: method and path, as in `POST /jobs/{id}/cancel`.
  public let action: String
  /// What it was about: the id in the path.
  public let target: String?
  /// The rest of what was asked for, in short.
  public let params: String?
  /// The status of the answer.
  public let status: Int

  /// What a server answers with.
  public init(
    number: Int64 = 0, at: Timestamp, principal: String, tenantID: UUID, userID: UUID,
    role: APIRole, action: String, target: String? = nil, params: String? = nil, status: Int
  ) {
    self.number = number
    self.at = at
    self.principal = principal
    self.tenantID = tenantID
    self.userID = userID
    self.role = role
    self.action = action
    self.target = target
    self.params = params
    self.status = status
  }

  private enum CodingKeys: String, CodingKey {
    case number, at, principal, role, action, target, params, status
    case tenantID = "tenant_id"
    case userID = "user_id"
  }

  /// Ids are written in lower case.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(number, forKey: .number)
    try container.encode(at, forKey: .at)
    try container.encode(principal, forKey: .principal)
    try container.encode(tenantID.uuidString.lowercased(), forKey: .tenantID)
    try container.encode(userID.uuidString.lowercased(), forKey: .userID)
    try container.encode(role, forKey: .role)
    try container.encode(action, forKey: .action)
    try container.encodeIfPresent(target, forKey: .target)
    try container.encodeIfPresent(params, forKey: .params)
    try container.encode(status, forKey: .status)
  }
}

/// Entries of the audit log, the newest first: the answer to `GET /audit`.
public struct AuditPage: Sendable, Hashable, Codable {
  /// In their order.
  public let entries: [AuditEntry]
  /// Where it goes on, to be asked for with `before`; `nil` at its end.
  public let next: Int64?

  /// What a server answers with.
  public init(entries: [AuditEntry], next: Int64? = nil) {
    self.entries = entries
    self.next = next
  }
}
