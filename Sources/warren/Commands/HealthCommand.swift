import ArgumentParser
import JobClient

struct HealthCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "health", abstract: "Succeeds when the server answers at all.")

  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await server.client().health()
    Console.write(
      try server.json ? JSONOutput.text(["status": "ok"]) : "the server answers\n", to: .output)
  }
}
