import Jobs

extension SettingReader {
  /// The part of the section `http` that says who may use the API.
  mutating func authentication(_ section: SettingSection, _ settings: inout HTTPSettings) {
    settings.auth = choice(section, "auth") ?? settings.auth
    if settings.auth == .none, !Loopback.contains(settings.host) {
      warn(
        section, "host",
        "a server refuses to listen beyond this machine without auth: tokens (WARREN_HTTP_AUTH)")
    }
    settings.jwt = jwt(section["jwt"])
    if settings.jwt != nil, settings.auth == .none {
      note(section, "jwt", "is of no use without auth: tokens, with which somebody looks at them")
    }
    if let age = duration(section, "audit_retention") {
      settings.auditRetention = age
      if age > .zero, age < .seconds(3600) {
        note(section, "audit_retention", "must be at least 1h, or 0s, which keeps for ever")
      }
    }
  }

  private mutating func jwt(_ node: SettingNode?) -> JWTSection? {
    let section = section(
      node, key: "http.jwt", variable: SettingSection.variable(["http", "jwt"]),
      known: [
        "issuer", "audience", "jwks", "leeway", "tenant_claim", "user_claim", "role_claim",
        "types_claim", "queues_claim",
      ])
    let required = ["issuer", "audience", "jwks"]
    let given = required.filter { has(section, $0) }
    var jwt = JWTSection()
    jwt.issuer = string(section, "issuer", "the iss of the JWTs") ?? jwt.issuer
    jwt.audience = string(section, "audience", "the aud of the JWTs") ?? jwt.audience
    jwt.jwks = string(section, "jwks", "the path of a file with the issuer's keys") ?? jwt.jwks
    jwt.leeway = duration(section, "leeway") ?? jwt.leeway
    if jwt.leeway > .seconds(600) { note(section, "leeway", "must be at most 10m") }
    jwt.tenantClaim = claim(section, "tenant_claim") ?? jwt.tenantClaim
    jwt.userClaim = claim(section, "user_claim") ?? jwt.userClaim
    jwt.roleClaim = claim(section, "role_claim") ?? jwt.roleClaim
    jwt.typesClaim = claim(section, "types_claim") ?? jwt.typesClaim
    jwt.queuesClaim = claim(section, "queues_claim") ?? jwt.queuesClaim
    guard node?.isNull == false || !given.isEmpty else { return nil }
    for name in required where !given.contains(name) {
      note(section, name, "is missing: JWTs take issuer, audience and jwks")
    }
    return jwt
  }

  private mutating func claim(_ section: SettingSection, _ name: String) -> String? {
    string(section, name, "the name of a claim")
  }
}
