import ArgumentParser
import Foundation
import JobClient
import JobConfig

/// Which server a command talks to, for whom, and how it prints what it hears.
struct ServerOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The server's URL (default: $WARREN_SERVER, or \(JobClient.defaultServer)).",
      valueName: "url"))
  var server: String?

  @Option(
    help: ArgumentHelp("Whose jobs they are.", valueName: "uuid"), transform: ArgumentText.uuid)
  var tenant: UUID?

  @Flag(help: "Print JSON, for programs.")
  var json = false

  func client(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws(JobClientError) -> JobClient {
    if let (variable, meant) = ForeignVariables.misspelling(in: environment) {
      throw .invalidRequest("\(variable) is not a variable of Warren's; did you mean \(meant)?")
    }
    return try JobClient(
      server: server ?? environment["WARREN_SERVER"] ?? JobClient.defaultServer, tenant: tenant,
      token: try Self.token(environment))
  }

  /// The token has no option: what stands on a command line is seen by everybody on the machine.
  private static func token(_ environment: [String: String]) throws(JobClientError) -> String? {
    guard let file = environment["WARREN_TOKEN_FILE"] else { return environment["WARREN_TOKEN"] }
    guard environment["WARREN_TOKEN"] == nil else {
      throw .invalidRequest("WARREN_TOKEN and WARREN_TOKEN_FILE exclude each other")
    }
    do throws(ConfigurationError) {
      return try SecretFile.read(file)
    } catch {
      throw .invalidRequest(
        "WARREN_TOKEN_FILE: \(error.problems.map(\.message).joined(separator: "; "))")
    }
  }
}
