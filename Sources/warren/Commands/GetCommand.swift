import ArgumentParser
import JobClient
import Jobs

struct GetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get", abstract: "Shows a job.")

  @OptionGroup var job: JobArgument
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try JobPrinter(json: server.json).show(try await server.client().get(job.id))
  }
}
