import ArgumentParser
import JobClient
import Jobs

struct SuspendCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "suspend", abstract: "Suspends a job.",
    discussion:
      "A job that waits is suspended at once, one that runs is told to end. Its type has to be suspendable."
  )

  @OptionGroup var job: JobArgument
  @OptionGroup var server: ServerOptions

  func run() async throws {
    let job = try await server.client().suspend(job.id)
    if server.json { return try JobPrinter(json: true).show(job) }
    Console.write("job \(job.id) is \(job.status.rawValue)\n", to: .output)
  }
}
