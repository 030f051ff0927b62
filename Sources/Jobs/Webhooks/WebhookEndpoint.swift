package import Foundation

/// Where the ends of jobs are sent over HTTP, by Standard Webhooks, and of which jobs. Only the operator of a server says so.
package struct WebhookEndpoint: Sendable, Hashable {
  /// The longest name, in characters: it becomes part of a queue's name.
  package static let longestName = 40
  /// The most endpoints of one server: each has a queue of its own.
  package static let mostEndpoints = 100
  /// How many secrets may sign at once, while one takes the place of another.
  package static let mostSecrets = 5
  /// The most retries of one delivery.
  package static let mostRetries = 50
  /// When a delivery that has failed is tried again, by the schedule of the Standard Webhooks document: for about three days.
  package static let standardRetries: [Duration] = [
    .seconds(5), .seconds(300), .seconds(1800), .seconds(7200), .seconds(5 * 3600),
    .seconds(10 * 3600), .seconds(14 * 3600), .seconds(20 * 3600), .seconds(24 * 3600),
  ]
  /// The part of each delay that is left to chance, so that what failed together does not come back together.
  package static let jitter = 0.1
  /// No answer puts a delivery off for longer.
  package static let longestRetryAfter = Duration.seconds(24 * 3600)

  /// What jobs and people call it.
  package let name: String
  /// Where its deliveries wait: each endpoint has a queue of its own, so that one that is slow holds up no other.
  package let queue: JobQueueName
  /// Nobody but the sender sees it: a path or a query may be a secret, too.
  package let url: WebhookURL
  /// All of them sign.
  package let secrets: [WebhookSecret]
  /// The job types that it is told of; empty is only jobs that name it.
  package var types: [WebhookPattern]
  /// Whose jobs it is told of; `nil` is everyone's. Nobody else can name it.
  package var tenants: Set<UUID>?
  /// The ends that it is told of.
  package var statuses: Set<JobStatus>
  /// How long it may take to answer.
  package var timeout: Duration
  /// How long after each failure it is tried again.
  package var retries: [Duration]
  /// How many requests it gets at once.
  package var concurrency: Int

  /// - Throws: ``NameError`` for a name that is none.
  package init(
    _ name: String, url: WebhookURL, secrets: [WebhookSecret],
    types: [WebhookPattern] = [.any], tenants: Set<UUID>? = nil,
    statuses: Set<JobStatus> = WebhookEndpoint.ends, timeout: Duration = .seconds(15),
    retries: [Duration] = WebhookEndpoint.standardRetries, concurrency: Int = 4
  ) throws(NameError) {
    self.name = try JobName.validate(name, of: "webhook")
    guard name.utf8.count <= Self.longestName else {
      throw NameError(
        "'\(name.prefix(100))' is no name of a webhook: it has more than \(Self.longestName)"
          + " characters")
    }
    queue = try JobQueueName("\(JobQueueName.reservedPrefix)webhook-\(name)")
    self.url = url
    self.secrets = secrets
    self.types = types
    self.tenants = tenants
    self.statuses = statuses
    self.timeout = timeout
    self.retries = retries
    self.concurrency = concurrency
  }

  /// Every status in which a job can end.
  package static let ends = Set(JobStatus.allCases.filter(\.isFinal))

  /// Whether a tenant's jobs may be told to it at all.
  package func isOpen(to tenant: UUID) -> Bool { tenants?.contains(tenant) ?? true }

  /// Whether it is told of a job that has ended so.
  package func wants(_ job: Job) -> Bool {
    guard statuses.contains(job.status), isOpen(to: job.tenantID), !job.type.isReserved else {
      return false
    }
    if job.webhooks.contains(name) { return true }
    let type = job.type.description
    return types.contains { $0.matches(type) }
  }

  /// How long a delivery waits before it is tried again.
  ///
  /// - Parameters:
  ///   - retry: which one, from 1.
  ///   - chance: a number from 0 up to 1, at random, that places the delay within its jitter.
  ///   - wish: how long the receiver wants to be left alone.
  package func delay(beforeRetry retry: Int, chance: Double, wish: Duration? = nil) -> Duration {
    let base = retries.isEmpty ? .zero : retries[min(max(1, retry), retries.count) - 1]
    let delay = base * (1 + Self.jitter * (2 * chance - 1))
    return max(delay, min(wish ?? .zero, Self.longestRetryAfter))
  }
}

/// Which job types are meant: `*` stands for any characters, as in `media:*`.
package struct WebhookPattern: Sendable, Hashable, CustomStringConvertible {
  package let description: String

  package static let any = WebhookPattern("*")

  package init(_ text: String) {
    description = text
  }

  package func matches(_ text: String) -> Bool { NamePattern.matches(description, text) }
}

/// A secret that signs: `whsec_` and 24 to 64 bytes in Base64. However it is printed, it is not shown.
package struct WebhookSecret: Sendable, Hashable {
  package static let prefix = "whsec_"
  package static let sizes = 24...64

  package let key: [UInt8]

  /// - Returns: `nil` for a text that is none.
  package init?(_ text: String) {
    guard text.hasPrefix(Self.prefix),
      let key = Data(base64Encoded: String(text.dropFirst(Self.prefix.count))),
      Self.sizes.contains(key.count)
    else { return nil }
    self.key = Array(key)
  }
}

extension WebhookSecret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { "whsec_***" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where an endpoint is. What is printed of it is its origin alone.
package struct WebhookURL: Sendable, Hashable {
  /// As it was given.
  package let url: String
  /// Scheme, host and port.
  package let origin: String

  /// - Parameter insecure: whether `http` may go to other machines.
  /// - Throws: ``WebhookURLError`` that does not repeat the text.
  package init(_ text: String, insecure: Bool = false) throws(WebhookURLError) {
    guard text.utf8.count <= 2000, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
      let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(),
      let host = parts.host, !host.isEmpty
    else {
      throw WebhookURLError("must be a URL, as in https://hooks.example.org/warren")
    }
    guard scheme == "https" || scheme == "http" else {
      throw WebhookURLError("must begin with https://")
    }
    guard parts.user == nil, parts.password == nil else {
      throw WebhookURLError("must not have a user or a password: requests are signed")
    }
    guard parts.fragment == nil else {
      throw WebhookURLError("must not have a fragment, which is never sent")
    }
    guard scheme == "https" || insecure || Self.isLoopback(host) else {
      throw WebhookURLError(
        "must begin with https://; with insecure: true, http:// is taken for other machines than"
          + " this one, and whoever is in between reads what is sent")
    }
    url = text
    let shown = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
    origin = "\(scheme)://\(shown.lowercased())" + (parts.port.map { ":\($0)" } ?? "")
  }

  private static func isLoopback(_ host: String) -> Bool {
    let host = host.lowercased()
    return host == "localhost" || host == "::1" || host == "[::1]"
      || host.contains(/^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/)
  }
}

extension WebhookURL: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { origin }
  package var debugDescription: String { origin }
  package var customMirror: Mirror { Mirror(self, children: ["origin": origin]) }
}

/// Why a text is no URL of an endpoint.
package struct WebhookURLError: Error, Hashable, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }
}
