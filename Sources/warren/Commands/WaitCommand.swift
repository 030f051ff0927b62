import ArgumentParser
import JobClient
import Jobs

struct WaitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wait", abstract: "Waits for a job's end, and shows its progress.",
    discussion: "Ctrl-C ends the wait; the job goes on.")

  @OptionGroup var job: JobArgument

  @Option(
    help: ArgumentHelp("How long to wait (default: 1d).", valueName: "duration"),
    transform: ArgumentText.duration)
  var timeout: Duration?

  @Flag(name: .shortAndLong, help: "Print the result alone.")
  var quiet = false

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let waiting = JobWait(
      client: try server.client(), timeout: timeout ?? JobWait.defaultTimeout, isQuiet: quiet)
    try JobPrinter(json: server.json, isQuiet: quiet).showEnd(of: try await waiting(job.id))
  }
}
