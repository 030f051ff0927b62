import ArgumentParser
import JobClient

struct ReadyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ready",
    abstract: "Succeeds when the server can accept jobs and hand them out.")

  @Option(
    help: ArgumentHelp("How long to wait for that (default: 0s).", valueName: "duration"),
    transform: ArgumentText.duration)
  var timeout: Duration?

  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await server.client().waitUntilReady(timeout: timeout ?? .zero)
    Console.write(
      try server.json ? JSONOutput.text(["status": "ready"]) : "the server is ready\n", to: .output)
  }
}
