import Foundation
import Jobs

/// Tokens and who uses them, told to people.
enum TokenText {
  static func created(_ token: APIToken) -> String {
    """
    token \(token.id.uuidString.lowercased()) (\(TerminalText.line(token.name))) is made: role \
    \(token.role.rawValue), \(tenant(token.tenant))\(scope(token.types, token.queues)), \
    \(token.expiresAt.map { "until \(HumanTime.stamp($0))" } ?? "without an end")
    It is shown this once: keep it, and send it as Authorization: Bearer, or in WARREN_TOKEN_FILE

    """
  }

  static func text(_ caller: CallerDescription, now: Timestamp) -> String {
    let how =
      switch caller.authentication {
      case "none": "not asked for: the server listens to its own machine alone"
      default: "\(caller.authentication) \(TerminalText.line(caller.name ?? ""))"
      }
    var text = """
      who        \(how)
      role       \(caller.role.rawValue)
      speaks for \(tenant(caller.tenant))
      tenant     \(caller.requestTenant.uuidString.lowercased())
      user       \(caller.requestUser.uuidString.lowercased())

      """
    if !caller.types.isEmpty { text += "types      \(list(caller.types))\n" }
    if !caller.queues.isEmpty { text += "queues     \(list(caller.queues))\n" }
    if let end = caller.expiresAt { text += "expires    \(HumanTime.text(end, now: now))\n" }
    return text
  }

  static func tenant(_ access: TenantAccess) -> String {
    switch access {
    case .one(let id): "tenant \(id.uuidString.lowercased())"
    case .every: "all tenants"
    }
  }

  static func list(_ patterns: [NamePattern]) -> String {
    patterns.map(\.description).joined(separator: ", ")
  }

  private static func scope(_ types: [NamePattern], _ queues: [NamePattern]) -> String {
    (types.isEmpty ? "" : ", types \(list(types))")
      + (queues.isEmpty ? "" : ", queues \(list(queues))")
  }
}

extension APIToken {
  func isInUse(at now: Timestamp) -> Bool {
    revokedAt == nil && (expiresAt.map { now < $0 } ?? true)
  }

  fileprivate func state(at now: Timestamp) -> String {
    if let revokedAt { return "revoked \(HumanTime.text(revokedAt, now: now))" }
    guard let expiresAt else { return "in use" }
    return isInUse(at: now)
      ? "expires \(HumanTime.text(expiresAt, now: now))"
      : "expired \(HumanTime.text(expiresAt, now: now))"
  }
}

extension Table {
  init(_ tokens: [APIToken], now: Timestamp) {
    self.init(
      [
        Heading("id"), Heading("name"), Heading("role"), Heading("speaks for"), Heading("only"),
        Heading("made"), Heading("used"), Heading("state"),
      ],
      rows: tokens.map { token in
        [
          token.id.uuidString.lowercased(), token.name, token.role.rawValue,
          TokenText.tenant(token.tenant), TokenText.list(token.types + token.queues),
          HumanTime.text(token.createdAt, now: now),
          token.lastUsedAt.map { HumanTime.text($0, now: now) } ?? "never", token.state(at: now),
        ]
      })
  }

  init(_ entries: [AuditEntry]) {
    self.init(
      [
        Heading("number", isNumber: true), Heading("time"), Heading("principal"),
        Heading("tenant"), Heading("role"), Heading("status", isNumber: true), Heading("action"),
        Heading("target"), Heading("params"),
      ],
      rows: entries.map { entry in
        [
          String(entry.number), HumanTime.stamp(entry.at), entry.principal,
          entry.tenantID.uuidString.lowercased(), entry.role.rawValue, String(entry.status),
          entry.action, entry.target ?? "", entry.params ?? "",
        ]
      })
  }
}
