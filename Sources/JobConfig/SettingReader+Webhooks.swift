import Foundation
import Jobs

extension SettingReader {
  private static let keys = [
    "name", "url", "insecure", "secret_file", "types", "tenants", "statuses", "timeout", "retries",
    "concurrency",
  ]
  private static let timeouts: ClosedRange<Duration> = .milliseconds(100)...(.seconds(120))
  private static let longestRetry = Duration.seconds(7 * 86_400)

  /// The list `webhooks`: who is told over HTTP of the ends of jobs.
  mutating func webhooks(_ node: SettingNode?) -> [WebhookEndpoint] {
    guard let node, !node.isNull else { return [] }
    guard case .list(let elements) = node.content else {
      note(at: node, "webhooks", "must be a list, not \(node.shown)")
      return []
    }
    guard elements.count <= WebhookEndpoint.mostEndpoints else {
      note(
        at: node, "webhooks",
        "has \(elements.count) endpoints; \(WebhookEndpoint.mostEndpoints) are the most")
      return []
    }
    var endpoints: [WebhookEndpoint] = []
    var lines: [String: Int] = [:]
    for (index, element) in elements.enumerated() {
      let key = "webhooks[\(index)]"
      guard case .map = element.content else {
        note(at: element, key, "must be a map, not \(element.shown)")
        continue
      }
      let section = section(element, key: key, variable: nil, known: Self.keys)
      guard let endpoint = webhook(section) else { continue }
      if let line = lines[endpoint.name] {
        note(section, "name", "the webhook \(endpoint.name) is declared already, on line \(line)")
        continue
      }
      lines[endpoint.name] = element.line
      endpoints.append(endpoint)
    }
    return endpoints
  }

  private mutating func webhook(_ section: SettingSection) -> WebhookEndpoint? {
    let name = needed(section, "name", "what jobs and people call it")
    let url = url(section)
    let secrets = secrets(section)
    let patterns = patterns(section)
    let tenants = webhookTenants(section)
    let statuses = ends(section)
    let timeout = webhookTimeout(section)
    let retries = retries(section)
    let concurrency = integer(section, "concurrency", in: 1...256)
    guard let name, let url, let secrets, let patterns, let statuses, let retries else {
      return nil
    }
    do {
      var endpoint = try WebhookEndpoint(
        name, url: url, secrets: secrets, types: patterns, tenants: tenants, statuses: statuses,
        retries: retries)
      if let timeout { endpoint.timeout = timeout }
      if let concurrency { endpoint.concurrency = concurrency }
      return endpoint
    } catch {
      note(section, "name", error.description)
      return nil
    }
  }

  private mutating func needed(
    _ section: SettingSection, _ name: String, _ meaning: String
  ) -> String? {
    guard isThere(section, name, meaning) else { return nil }
    return string(section, name, meaning)
  }

  /// The value is not repeated: it may hold a secret.
  private mutating func url(_ section: SettingSection) -> WebhookURL? {
    let insecure = flag(section, "insecure") ?? false
    guard let text = needed(section, "url", "where the ends of jobs are sent") else { return nil }
    do {
      return try WebhookURL(text, insecure: insecure)
    } catch {
      note(section, "url", error.description)
      return nil
    }
  }

  /// One secret a line, in a file of its own; all of them sign. What is in it is in no message.
  private mutating func secrets(_ section: SettingSection) -> [WebhookSecret]? {
    guard
      let path = needed(
        section, "secret_file", "the path of a file with the secret that signs, whsec_…")
    else { return nil }
    do throws(ConfigurationError) {
      let text = try WarrenConfiguration.text(
        of: path, limit: SecretFile.maximumSize, calling: "the file \(path)")
      let lines = text.split(whereSeparator: \.isNewline)
        .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
      let secrets = lines.compactMap { WebhookSecret($0) }
      guard !secrets.isEmpty, secrets.count == lines.count,
        secrets.count <= WebhookEndpoint.mostSecrets
      else {
        note(
          section, "secret_file",
          "the file \(path) must have 1 to \(WebhookEndpoint.mostSecrets) lines, each of them"
            + " whsec_ and the Base64 of 24 to 64 random bytes, as"
            + " `echo whsec_$(openssl rand -base64 32)` makes one")
        return nil
      }
      return secrets
    } catch {
      for problem in error.problems { note(section, "secret_file", problem.message) }
      return nil
    }
  }

  /// The elements of a list, or one that stands alone; `nil` where there is none.
  private mutating func texts(
    _ section: SettingSection, _ name: String, _ rule: String
  ) -> [(text: String, node: SettingNode)]? {
    guard let node = section[name], !node.isNull else { return nil }
    var elements = [node]
    if case .list(let list) = node.content { elements = list }
    return elements.compactMap { element in
      if case .scalar(let scalar) = element.content { return (scalar.text, element) }
      note(at: element, section.key(name), "must be \(rule), not \(element.shown)")
      return nil
    }
  }

  private mutating func patterns(_ section: SettingSection) -> [WebhookPattern]? {
    let rule = "job types, as in media:checksum or media:*"
    guard let texts = texts(section, "types", rule) else { return [.any] }
    var patterns: [WebhookPattern] = []
    for (text, node) in texts {
      let isPattern = text.contains(/^[a-zA-Z0-9_:*-]{1,129}$/)
      guard isPattern, text.contains(":") || text.contains("*") else {
        note(at: node, section.key("types"), "must be \(rule), not \(node.shown)")
        return nil
      }
      patterns.append(WebhookPattern(text))
    }
    return patterns
  }

  private mutating func webhookTenants(_ section: SettingSection) -> Set<UUID>? {
    let rule = "any, a tenant's UUID, or a list of UUIDs"
    guard let texts = texts(section, "tenants", rule) else { return nil }
    if texts.count == 1, texts[0].text == "any" { return nil }
    var tenants: Set<UUID> = []
    for (text, node) in texts {
      guard let tenant = UUID(uuidString: text) else {
        note(at: node, section.key("tenants"), "must be \(rule), not \(node.shown)")
        continue
      }
      tenants.insert(tenant)
    }
    return tenants
  }

  private mutating func ends(_ section: SettingSection) -> Set<JobStatus>? {
    let known = WebhookEndpoint.ends.map(\.rawValue).sorted()
    let rule = "one or several of \(known.joined(separator: ", "))"
    guard let texts = texts(section, "statuses", rule) else { return WebhookEndpoint.ends }
    var statuses: Set<JobStatus> = []
    for (text, node) in texts {
      guard let status = JobStatus(rawValue: text), status.isFinal else {
        note(at: node, section.key("statuses"), "must be \(rule), not \(node.shown)")
        return nil
      }
      statuses.insert(status)
    }
    guard !statuses.isEmpty else {
      note(section, "statuses", "must be \(rule), not empty")
      return nil
    }
    return statuses
  }

  private mutating func webhookTimeout(_ section: SettingSection) -> Duration? {
    guard let timeout = duration(section, "timeout") else { return nil }
    guard Self.timeouts.contains(timeout) else {
      note(section, "timeout", "must be from 100ms to 2m")
      return nil
    }
    return timeout
  }

  private mutating func retries(_ section: SettingSection) -> [Duration]? {
    let rule = "a list of durations, as in [5s, 5m, 30m]"
    guard let texts = texts(section, "retries", rule) else {
      return WebhookEndpoint.standardRetries
    }
    var retries: [Duration] = []
    for (text, node) in texts {
      do throws(DurationTextError) {
        let delay = try DurationText.parse(text)
        guard delay <= Self.longestRetry else {
          note(at: node, section.key("retries"), "no delay may be longer than 7d")
          return nil
        }
        retries.append(delay)
      } catch {
        note(at: node, section.key("retries"), error.description)
        return nil
      }
    }
    guard retries.count <= WebhookEndpoint.mostRetries else {
      note(section, "retries", "must have at most \(WebhookEndpoint.mostRetries) delays")
      return nil
    }
    return retries
  }
}
