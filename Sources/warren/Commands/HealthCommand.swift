import ArgumentParser
import JobClient
import JobWorker

struct HealthCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "health", abstract: "Succeeds when the server answers at all.",
    discussion:
      "With --file it asks no server, but succeeds when the worker that touches that file is healthy."
  )

  @OptionGroup var server: ServerOptions

  @Option(
    help: ArgumentHelp("What a worker was given as --health-file.", valueName: "path"))
  var file: String?

  func run() async throws {
    if let file {
      if let problem = HealthFile(path: file).problem() {
        throw UnhealthyWorker(description: problem)
      }
    } else {
      try await server.client().health()
    }
    let text = file == nil ? "the server answers" : "the worker is healthy"
    Console.write(try server.json ? JSONOutput.text(["status": "ok"]) : text + "\n", to: .output)
  }
}

/// The worker that is asked after is not healthy, or not there.
struct UnhealthyWorker: Error, CustomStringConvertible {
  let description: String
}
