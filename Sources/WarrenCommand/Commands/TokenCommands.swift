import ArgumentParser
import Foundation
import JobClient
import JobConfig
import JobServer
import JobStore
import Jobs

struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token", abstract: "Makes, lists and revokes tokens of the API.",
    discussion: """
      They ask the server, which takes a token with the role admin. With --store they work on the store's file itself, beside a \
      server that has it open or without one: that is how the first token is made.
      """,
    subcommands: [Create.self, List.self, Revoke.self])

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "create", abstract: "Makes a token, and shows it this once.",
      discussion: """
        It is printed alone on standard output, so that it can go into a file: nobody can show it again. It speaks for the \
        tenant of --tenant, or for any with --all-tenants.
        """)

    @Argument(help: ArgumentHelp("What it is called, as in ci.", valueName: "name"))
    var name: String

    @Option(
      help: "What it may do: read, write, operate or admin.", transform: ArgumentText.choice)
    var role: APIRole

    @Flag(help: "It speaks for any tenant, which each request names.")
    var allTenants = false

    @Option(help: ArgumentHelp("Who uses it.", valueName: "uuid"), transform: ArgumentText.uuid)
    var user: UUID?

    @Option(
      name: .customLong("type"),
      help: ArgumentHelp(
        "Only job types like this one, as in files:*; may be given several times.",
        valueName: "pattern"), transform: ArgumentText.pattern)
    var types: [NamePattern] = []

    @Option(
      name: .customLong("queue"),
      help: ArgumentHelp(
        "Only job queues like this one; may be given several times.", valueName: "pattern"),
      transform: ArgumentText.pattern)
    var queues: [NamePattern] = []

    @Option(
      help: ArgumentHelp("How long it counts, as in 90d; for ever without.", valueName: "duration"),
      transform: ArgumentText.duration)
    var expires: Duration?

    @OptionGroup var place: TokenPlace
    @OptionGroup var server: ServerOptions

    func validate() throws {
      if allTenants, server.tenant != nil {
        throw ValidationError("--all-tenants and --tenant exclude each other")
      }
      if place.isFile, !allTenants, server.tenant == nil {
        throw ValidationError("for whom does it speak? give --tenant, or --all-tenants")
      }
      if let expires, expires < .seconds(1) {
        throw ValidationError("--expires takes at least 1s")
      }
      if !APIToken.isName(name) {
        throw ValidationError("a token's name has 1 to 100 characters, without line ends")
      }
    }

    func run() async throws {
      let now = Timestamp.now
      let request = TokenRequest(
        name: name, role: role, tenant: allTenants ? .every : server.tenant.map { .one($0) },
        user: user, types: types, queues: queues, expiresAt: expires.map { now + $0 })
      let issued =
        if let file = try place.file() {
          try create(request, in: file, at: now)
        } else {
          try await server.client().createToken(request)
        }
      if server.json { return Console.write(try JSONOutput.text(issued), to: .output) }
      Console.write(issued.secret + "\n", to: .output)
      Console.write(TokenText.created(issued.token), to: .error)
    }

    private func create(
      _ request: TokenRequest, in file: TokenFile, at now: Timestamp
    ) throws -> IssuedToken {
      let secret = TokenSecret()
      let token = APIToken(
        id: .version7(at: now), name: request.name, tenant: request.tenant ?? .one(.zero),
        user: request.user, role: request.role, types: request.types, queues: request.queues,
        createdAt: now, createdBy: TokenFile.principal, expiresAt: request.expiresAt)
      guard try file.add(token, hash: secret.hash) else {
        throw ValidationError(
          "another token of the tenant that is not revoked is called '\(name)'; revoke that one, or"
            + " take another name")
      }
      return IssuedToken(secret: secret.text, token: token)
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list",
      abstract: "Lists tokens, the newest first, without what is secret of them.")

    @Flag(help: "Revoked and expired ones, too.")
    var all = false

    @OptionGroup var place: TokenPlace
    @OptionGroup var server: ServerOptions

    func run() async throws {
      var tokens =
        if let file = try place.file() {
          try file.tokens()
        } else {
          try await server.client().tokens()
        }
      let now = Timestamp.now
      if !all { tokens = tokens.filter { $0.isInUse(at: now) } }
      try ListPrinter(json: server.json).show(
        TokenList(tokens: tokens), Table(tokens, now: now), none: "there are no tokens",
        total: tokens.count)
    }
  }

  struct Revoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "revoke", abstract: "Revokes tokens: the server refuses them from now on.",
      discussion:
        "With --store a server that has the file open refuses them within 3 seconds. Streams that are open end within 15 seconds."
    )

    @Argument(
      help: ArgumentHelp("The tokens' ids, as warren token list shows them.", valueName: "id"),
      transform: ArgumentText.uuid)
    var ids: [UUID]

    @OptionGroup var place: TokenPlace
    @OptionGroup var server: ServerOptions

    func run() async throws {
      let file = try place.file()
      var tokens: [APIToken] = []
      for id in ids {
        if let file {
          guard let token = try file.revoke(id, at: .now) else {
            throw ValidationError("there is no token \(id.uuidString.lowercased())")
          }
          tokens.append(token)
        } else {
          tokens.append(try await server.client().revokeToken(id))
        }
      }
      Console.write(
        server.json
          ? try JSONOutput.text(TokenList(tokens: tokens))
          : tokens.map { "token \(TerminalText.line($0.name)) is revoked\n" }.joined(),
        to: .output)
    }
  }
}

/// Where tokens are changed: at the server, or in the file that it keeps them in.
struct TokenPlace: ParsableArguments {
  @Option(
    help: ArgumentHelp("The store's file, in place of asking the server.", valueName: "path"))
  var store: String?

  @Option(
    name: [.customShort("c"), .long],
    help: ArgumentHelp(
      "The server's configuration, for the store that it names, in place of asking the server.",
      valueName: "file"))
  var config: String?

  var isFile: Bool { store != nil || config != nil }

  func validate() throws {
    if store != nil, config != nil {
      throw ValidationError("--store and --config exclude each other")
    }
  }

  /// `nil` where the server is to be asked.
  func file(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> TokenFile? {
    if let store { return try TokenFile(path: store) }
    guard let config else { return nil }
    let configuration = try WarrenConfiguration.load(
      path: config, environment: environment, checks: .complete)
    return try TokenFile(path: configuration.store)
  }
}

struct WhoAmICommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "whoami", abstract: "Shows as whom the server sees this client.")

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let caller = try await server.client().whoAmI()
    Console.write(
      server.json ? try JSONOutput.text(caller) : TokenText.text(caller, now: .now), to: .output)
  }
}

struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit",
    abstract: "Shows what was asked of the server by those who change something.",
    discussion: """
      The newest entries first: what was done by way of the API but plain scheduling, and what was refused for lack of a role. \
      It takes a token with the role admin; one of all tenants sees the entries of all.
      """)

  @Option(
    help: ArgumentHelp("Only this one's, as a line shows it.", valueName: "principal"))
  var by: String?

  @Option(
    help: ArgumentHelp("Only this, as in 'POST /prune'.", valueName: "action"))
  var action: String?

  @Flag(help: "Only what was refused.")
  var refused = false

  @Option(help: ArgumentHelp("Only entries before the one of this number.", valueName: "number"))
  var before: Int64?

  @Option(help: ArgumentHelp("How many, at most 1000 (default: 50).", valueName: "n"))
  var pageSize: Int?

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let page = try await server.client().audit(
      tenant: server.tenant, principal: by, action: action, refused: refused ? true : nil,
      before: before, pageSize: pageSize)
    if server.json { return Console.write(try JSONOutput.text(page), to: .output) }
    Console.write(
      Table(page.entries).text ?? "the audit log has no such entries\n", to: .output)
    if let next = page.next { Console.write("more with --before \(next)\n", to: .output) }
  }
}
