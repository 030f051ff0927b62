import ArgumentParser
import JobClient
import Jobs

struct ResumeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume", abstract: "Lets a suspended job run again.",
    discussion: "It goes on from its last snapshot, where its type saves any.")

  @OptionGroup var job: JobArgument
  @OptionGroup var server: ServerOptions

  func run() async throws {
    let job = try await server.client().resume(job.id)
    if server.json { return try JobPrinter(json: true).show(job) }
    Console.write("job \(job.id) is \(job.status.rawValue)\n", to: .output)
  }
}
