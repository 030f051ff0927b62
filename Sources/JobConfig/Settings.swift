import Foundation
package import Jobs

/// The URL of the broker. However it is printed, its password is not; ``url`` alone has it.
package struct BrokerAddress: Sendable, Hashable {
  /// As it was given: an AMQP URL (RabbitMQ URI specification), with user and password.
  package let url: String

  package init(_ url: String) {
    self.url = url
  }

  /// The address with another user or password, which may have any character; `nil` keeps the URL's own.
  package func with(user: String?, password: String?) -> BrokerAddress {
    guard user != nil || password != nil, let scheme = url.firstRange(of: "://") else {
      return self
    }
    let rest = url[scheme.upperBound...]
    let authority = rest.prefix { !"/?#".contains($0) }
    let at = authority.lastIndex(of: "@")
    let host = at.map { authority[authority.index(after: $0)...] } ?? authority
    let given = at.map { authority[..<$0] } ?? ""
    let parts = given.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let oldUser = parts.first.flatMap { $0.isEmpty ? nil : String($0) }
    let oldPassword = parts.count > 1 ? String(parts[1]) : nil
    let newUser = user.map(Self.encoded) ?? oldUser ?? "guest"
    let newPassword = password.map(Self.encoded) ?? oldPassword
    return BrokerAddress(
      String(url[..<scheme.upperBound]) + newUser + (newPassword.map { ":\($0)" } ?? "") + "@"
        + host + rest[authority.endIndex...])
  }

  /// Encodes all but the unreserved characters (RFC 3986, section 2.3).
  private static func encoded(_ text: String) -> String {
    let unreserved = CharacterSet(charactersIn: "-._~").union(.init(charactersIn: "a"..."z"))
      .union(.init(charactersIn: "A"..."Z")).union(.init(charactersIn: "0"..."9"))
    return text.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
  }

  /// The guest account of a broker on this machine, which RabbitMQ comes with.
  package static let standard = BrokerAddress("amqp://guest:guest@127.0.0.1:5672/")
}

extension BrokerAddress: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The URL with `***` in place of the password, and without its query.
  package var description: String {
    let shown = url.prefix { $0 != "?" }
    guard let scheme = shown.firstRange(of: "://") else { return "***" }
    let rest = shown[scheme.upperBound...]
    // Not up to the first slash: a password in which someone forgot to encode one must not be shown either.
    guard let at = rest.lastIndex(of: "@") else { return String(shown) }
    let user = rest[..<at].prefix { $0 != ":" }
    let password = user.endIndex == at ? "" : ":***"
    return "\(shown[..<scheme.upperBound])\(user)\(password)\(rest[at...])"
  }

  package var debugDescription: String { description }

  package var customMirror: Mirror { Mirror(self, children: ["url": description]) }
}

/// How the HTTP API knows who asks.
package enum HTTPAuthentication: String, Sendable, Hashable, CaseIterable {
  /// It believes what requests say: only where it listens to its own machine alone.
  case none
  /// By tokens, and JWTs where `http.jwt` says whose.
  case tokens
}

/// Whose JWTs the API takes: the section `http.jwt` of the file.
package struct JWTSection: Sendable, Hashable {
  package var issuer = ""
  package var audience = ""
  /// The path of a file with the issuer's public keys, a JSON Web Key Set.
  package var jwks = ""
  package var leeway = Duration.seconds(30)
  package var tenantClaim = "tenant_id"
  package var userClaim = "user_id"
  package var roleClaim = "role"
  package var typesClaim = "types"
  package var queuesClaim = "queues"

  package init() {}
}

/// Where the HTTP API listens: the section `http` of the file.
package struct HTTPSettings: Sendable, Hashable {
  /// A name or an address; only 127.0.0.1 keeps it to this machine.
  package var host = "127.0.0.1"
  /// 0 takes any free port.
  package var port = 8080
  /// The largest request body, in bytes.
  package var maxBodyBytes = 1 << 20
  /// How many requests a second a tenant may send; 0 is without limit.
  package var rate = 0.0
  /// How many of them may come at once; `nil` is as many as in a second.
  package var burst: Int?
  /// How many requests of a tenant may be under way; 0 is without limit.
  package var concurrency = 0
  /// The origins whose pages may use the API from a browser; `*` is any.
  package var origins: [String] = []
  /// How many streams of events there may be at once.
  package var maxStreams = 256
  /// How many of them one tenant may have; `nil` is a quarter.
  package var maxStreamsPerTenant: Int?
  /// How it is known who asks.
  package var auth = HTTPAuthentication.none
  /// Whose JWTs are taken beside tokens.
  package var jwt: JWTSection?
  /// How long the audit log is kept; zero is for ever.
  package var auditRetention = Duration.seconds(90 * 86_400)

  package init() {}
}

/// How the server behaves: the section `server` of the file.
package struct ServerSettings: Sendable, Hashable {
  /// How many workers a job may cost their life before it fails.
  package var poisonLimit = 5

  package init() {}
}

/// How workers behave: the section `worker` of the file.
package struct WorkerSettings: Sendable, Hashable {
  /// How long the running jobs of a worker that is told to stop may go on; then they are given back.
  package var drainTimeout = Duration.seconds(30)

  /// How long a job may run before its delivery is acknowledged; less than the broker's consumer timeout.
  package var detachAfter = Duration.seconds(600)

  /// How long a callback that does not end when it is told to is put up with, before the worker ends itself; zero is for ever.
  package var stuckLimit = Duration.seconds(600)

  package init() {}
}

/// A job type whose work is done by a program: an element of `types` in the file.
package struct CommandTypeConfiguration: Sendable, Hashable {
  package let group: JobGroup
  /// What the server and the producers know of it.
  package let description: JobTypeDescription
  /// The program and its arguments, with their placeholders; never empty.
  package let command: [String]
  /// How long the program may go on after SIGTERM, before SIGKILL.
  package let grace: Duration
  /// Where the program starts; `nil` is where the worker was started.
  package let workingDirectory: String?
  /// What the program's environment has besides the worker's own.
  package let environment: [String: String]
  /// How much of standard output becomes the result.
  package let maxOutputBytes: Int

  package init(
    group: JobGroup, description: JobTypeDescription, command: [String],
    grace: Duration = .seconds(5), workingDirectory: String? = nil,
    environment: [String: String] = [:], maxOutputBytes: Int = 64 << 10
  ) {
    self.group = group
    self.description = description
    self.command = command
    self.grace = grace
    self.workingDirectory = workingDirectory
    self.environment = environment
    self.maxOutputBytes = maxOutputBytes
  }
}

/// A file that holds one secret and nothing else, as systemd, Docker and Kubernetes hand them over.
package enum SecretFile {
  /// The largest, in bytes.
  package static let maximumSize = 4096

  /// The secret, without the line's end that editors write.
  ///
  /// - Throws: ``ConfigurationError`` that names the file, and never what is in it.
  package static func read(_ path: String) throws(ConfigurationError) -> String {
    let name = "the file \(path)"
    var secret = Substring(
      try WarrenConfiguration.text(of: path, limit: maximumSize, calling: name))
    if secret.last?.isNewline == true { secret.removeLast() }
    guard !secret.isEmpty else {
      throw ConfigurationError(file: path, "\(name) is empty; it has to hold the secret")
    }
    guard !secret.contains(where: \.isNewline), !secret.utf8.contains(0) else {
      throw ConfigurationError(
        file: path, "\(name) has more than one line; it has to hold the secret alone")
    }
    return String(secret)
  }
}
