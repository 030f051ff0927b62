import ArgumentParser
import JobClient
import Jobs

struct CancelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cancel", abstract: "Cancels a job.",
    discussion: "A job that waits is canceled at once, one that runs is told to end.")

  @OptionGroup var job: JobArgument
  @Option(help: "Why, for people.")
  var reason: String?

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let job = try await server.client().cancel(job.id, reason: reason)
    if server.json { return try JobPrinter(json: true).show(job) }
    Console.write("job \(job.id) is \(job.status.rawValue)\n", to: .output)
  }
}
