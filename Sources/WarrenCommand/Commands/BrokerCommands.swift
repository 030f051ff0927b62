import ArgumentParser
import Foundation
import JobConfig
import JobTransport
import Jobs

struct BrokerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "broker", abstract: "Gives the users of the broker the smallest rights.",
    subcommands: [BrokerSetupCommand.self, BrokerCheckCommand.self])
}

/// Which users are meant.
struct BrokerUserOptions: ParsableArguments {
  @Option(help: "The virtual host.")
  var vhost = "/"

  @Option(help: "What the names of exchanges and queues start with.")
  var prefix = "jobs"

  @Option(help: "This user alone, instead of producer, worker, server and operator.")
  var user: String?

  @Option(
    help: ArgumentHelp(
      "What that user is: \(BrokerRole.allCases.map(\.rawValue).joined(separator: ", ")).",
      valueName: "role"),
    transform: BrokerUserOptions.role)
  var role: BrokerRole?

  @Option(
    help: ArgumentHelp(
      "For whom a producer or service may speak; several times for several (default: the UUID of zeros).",
      valueName: "uuid"),
    transform: ArgumentText.uuid)
  var tenant: [UUID] = []

  @Option(
    help: ArgumentHelp(
      "A job queue whose jobs a worker may run; several times for several (default: all).",
      valueName: "name"),
    transform: ArgumentText.queue)
  var queue: [JobQueueName] = []

  func validate() throws {
    guard (user == nil) == (role == nil) else {
      throw ValidationError("--user and --role go together")
    }
    guard user != nil || (tenant.isEmpty && queue.isEmpty) else {
      throw ValidationError("--tenant and --queue are for a user that --user names")
    }
    if let user, user.isEmpty || user.contains(where: { "/.:".contains($0) || $0.isNewline }) {
      throw ValidationError("a user's name has no '/', '.' or ':'")
    }
  }

  static func role(_ text: String) throws -> BrokerRole {
    guard let role = BrokerRole(rawValue: text) else {
      let known = BrokerRole.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("there is no role \(text); roles are \(known)")
    }
    return role
  }

  func users() throws -> BrokerUsers {
    var users = BrokerUsers(virtualHost: vhost, names: try TransportNames(prefix: prefix))
    if let user, let role {
      var one = BrokerUser(name: user, role: role)
      if !tenant.isEmpty { one.tenants = tenant }
      if !queue.isEmpty { one.queues = queue }
      users.users = [one]
    }
    return users
  }
}

/// Where the broker's management API is, and who talks to it.
struct ManagementOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The URL of the broker's management API (default: $WARREN_MANAGEMENT, or http://127.0.0.1:15672).",
      valueName: "url"))
  var management: String?

  @Option(help: ArgumentHelp("An administrator of the broker.", valueName: "name"))
  var admin = "guest"

  @Option(
    help: ArgumentHelp(
      "A file with the administrator's password, - for the standard input (default: $WARREN_MANAGEMENT_PASSWORD).",
      valueName: "file"))
  var adminPasswordFile: String?

  func client(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> BrokerManagement {
    let url = management ?? environment["WARREN_MANAGEMENT"] ?? "http://127.0.0.1:15672"
    let password: String
    if let adminPasswordFile {
      password = try SecretText.read(adminPasswordFile == "-" ? "/dev/stdin" : adminPasswordFile)
    } else if let given = environment["WARREN_MANAGEMENT_PASSWORD"] {
      password = given
    } else if admin == "guest" {
      password = "guest"
    } else {
      throw BrokerSetupError.usage(
        "the password of \(admin) is to be in a file that --admin-password-file names, or in WARREN_MANAGEMENT_PASSWORD"
      )
    }
    return try BrokerManagement(url: url, user: admin, password: password)
  }
}

struct BrokerSetupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "setup",
    abstract: "Makes the users producer, worker, server and operator, with the smallest rights.",
    discussion: """
      Done again, it mends what is otherwise and leaves the rest. Passwords of users that have one stay, unless --passwords has \
      another one. What to write into the server's configuration, so that it asks who is who, is printed in the end.
      """)

  @OptionGroup var options: BrokerUserOptions
  @OptionGroup var management: ManagementOptions

  @Option(
    help: ArgumentHelp(
      "A folder with the users' passwords, a file for each, which is written where it is missing. Without it a new password is printed.",
      valueName: "folder"))
  var passwords: String?

  @Flag(help: "Say what would be done, and do nothing.")
  var dryRun = false

  @Flag(
    help:
      "Print the users as definitions for rabbitmqctl import_definitions, and talk to nobody.")
  var printDefinitions = false

  func run() async throws {
    let users = try options.users()
    if printDefinitions {
      return Console.write(try users.definitions(), to: .output)
    }
    let setup = BrokerSetup(
      management: try management.client(), wanted: users,
      passwords: passwords.map { URL(filePath: $0) }, isDry: dryRun)
    try await setup.run { finding in
      let text =
        switch finding.state {
        case .right: "right already"
        case .wrong(let what): "\(dryRun ? "would be set" : "set"): \(what)"
        }
      Console.write("\(finding.subject): \(text)\n", to: .output)
    }
    if let access = users.access {
      Console.write("\nFor the server's configuration:\n\n\(access)", to: .output)
    }
  }
}

struct BrokerCheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract:
      "Succeeds when the users of the broker have the rights that they should, and no others.")

  @OptionGroup var options: BrokerUserOptions
  @OptionGroup var management: ManagementOptions

  func run() async throws {
    let setup = BrokerSetup(
      management: try management.client(), wanted: try options.users(), isDry: true)
    var faults = 0
    try await setup.run { finding in
      guard case .wrong(let what) = finding.state else { return }
      faults += 1
      Console.write("\(finding.subject): \(what)\n", to: .output)
    }
    guard faults == 0 else { throw ExitCode(ExitStatus.jobNotCompleted.rawValue) }
    Console.write("the users of the broker have the rights that they should\n", to: .output)
  }
}

/// A secret from a file.
enum SecretText {
  static func read(_ path: String) throws(BrokerSetupError) -> String {
    do throws(ConfigurationError) {
      return try SecretFile.read(path)
    } catch {
      throw .usage(error.problems.map(\.message).joined(separator: "; "))
    }
  }
}
