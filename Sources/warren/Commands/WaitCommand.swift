import ArgumentParser
import JobClient
import Jobs

struct WaitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wait", abstract: "Waits for the end of jobs, and shows the progress of one.",
    discussion: """
      Of several jobs each is told as it ends; with --quiet their results are printed in the order of the ids, with --json \
      the jobs, as an array. The status is 0 only if all of them completed. Ctrl-C ends the wait; the jobs go on.
      """)

  @Argument(
    help: ArgumentHelp("The jobs' ids.", valueName: "id"), transform: ArgumentText.jobID)
  var ids: [JobID]

  @Option(
    help: ArgumentHelp("How long to wait (default: 1d).", valueName: "duration"),
    transform: ArgumentText.duration)
  var timeout: Duration?

  @Flag(name: .shortAndLong, help: "Print the results alone.")
  var quiet = false

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let waiting = JobWait(
      client: try server.client(), timeout: timeout ?? JobWait.defaultTimeout, isQuiet: quiet)
    let printer = JobPrinter(json: server.json, isQuiet: quiet)
    guard ids.count > 1 else {
      return try printer.showEnd(of: try await waiting(ids[0]))
    }
    let tells = !quiet && !server.json
    let ends = try await waiting(ids) { end in
      if tells { Console.write(JobText.end(end) + "\n", to: .output) }
    }
    try printer.showEnds(ends)
  }
}
