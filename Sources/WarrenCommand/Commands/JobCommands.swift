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

struct LogsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs", abstract: "Shows what a job logged.",
    discussion: """
      A line each: time, level, attempt, text. The newest \(JobLog.mostLines) lines are kept, of \(JobLog.mostBytes >> 10) \
      KiB in all; how many are gone stands in front. With --follow lines are shown as they come, about a second after they were \
      logged, until the job has ended; with --json then an object in each line.
      """)

  @OptionGroup var job: JobArgument

  @Flag(name: .shortAndLong, help: "Go on until the job has ended.")
  var follow = false

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let client = try server.client(patience: follow ? ServerOptions.patience : .zero)
    guard follow else {
      let log = try await client.log(of: job.id)
      return Console.write(try server.json ? JSONOutput.text(log) : LogLines.text(log), to: .output)
    }
    let following = LogFollowing(client: client, job: job.id, json: server.json)
    try await Interruption.watching { try await following() }
  }
}

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
