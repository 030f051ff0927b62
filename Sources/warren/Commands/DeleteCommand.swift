import ArgumentParser
import JobClient
import Jobs

struct DeleteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Deletes a job that no worker has.")

  @OptionGroup var job: JobArgument
  @Option(help: "Why, for people.")
  var reason: String?

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let job = try await server.client().delete(job.id, reason: reason)
    if server.json { return try JobPrinter(json: true).show(job) }
    Console.write("job \(job.id) is deleted; it was \(job.status.rawValue)\n", to: .output)
  }
}
