import ArgumentParser
import Foundation
import JobClient
import Jobs

struct RetryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retry",
    abstract: "Does jobs again that failed, were canceled or ran for too long.",
    discussion: """
      Each becomes a new job that names its predecessor; with --quiet only the new ids are printed. A job that was retried \
      before gives the job that came of it. The status is 0 only if each has a job that has not failed itself.
      """)

  @Argument(
    help: ArgumentHelp("The jobs' ids.", valueName: "id"), transform: ArgumentText.jobID)
  var ids: [JobID]

  @Flag(name: .shortAndLong, help: "Print the new ids alone.")
  var quiet = false

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let client = try server.client(patience: ServerOptions.patience)
    var jobs: [Job] = []
    var failure: JobClientError?
    var isRefused = false
    for id in ids {
      do throws(JobClientError) {
        let retried = try await client.retry(id)
        jobs.append(retried.job)
        if !server.json { tell(id, retried) }
        if Self.isOver(retried.job) { isRefused = true }
      } catch {
        // What is wrong with one job is no reason to leave the others.
        guard case .problem(let problem) = error else { throw error }
        Console.write(Self.refusal(of: id, problem) + "\n", to: .error)
        failure = error
      }
    }
    if server.json { Console.write(try JSONOutput.text(jobs), to: .output) }
    if failure != nil || isRefused { throw ExitCode(ExitStatus.refused.rawValue) }
  }

  private func tell(_ id: JobID, _ retried: ScheduledJob) {
    let job = retried.job
    if quiet {
      Console.write("\(job.id)\n", to: .output)
    } else {
      let novelty = retried.isNew ? "" : " (retried before; it is \(job.status.rawValue))"
      Console.write("\(id) -> \(job.id)\(novelty)\n", to: .output)
    }
    if Self.isOver(job) {
      Console.write(
        "job \(job.id), by which \(id) was retried, is \(job.status.rawValue): retry that one\n",
        to: .error)
    }
  }

  /// Most details name the job themselves.
  static func refusal(of id: JobID, _ problem: Problem) -> String {
    problem.detail.contains(id.description) ? problem.detail : "job \(id): \(problem.detail)"
  }

  /// Whether the new job has to be retried in its turn.
  private static func isOver(_ job: Job) -> Bool {
    job.status == .failed || job.status == .canceled || job.status == .timedOut
  }
}

struct BulkCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bulk", abstract: "Cancels, retries, deletes, suspends or resumes many jobs.",
    discussion: """
      The server does it a few jobs at a time, whatever becomes of this command, and goes on after a restart. Without --yes \
      it is only said how many jobs are meant. `warren operations` shows how far it is, and cancels it.
      """)

  @Argument(
    help: ArgumentHelp(
      "What is done: cancel, retry, delete, suspend or resume.", valueName: "action"),
    transform: ArgumentText.choice)
  var action: BulkAction

  @OptionGroup var jobs: JobFilterOptions

  @Option(
    help: ArgumentHelp("Only accepted then or later (ISO 8601).", valueName: "time"),
    transform: ArgumentText.moment)
  var createdAfter: Timestamp?

  @Option(
    help: ArgumentHelp("Only accepted before that time.", valueName: "time"),
    transform: ArgumentText.moment)
  var createdBefore: Timestamp?

  @Flag(
    help: "All jobs that the action takes, where nothing else is said of them; not with delete.")
  var all = false

  @Option(help: "Why, for people.")
  var reason: String?

  @Option(help: ArgumentHelp("The most jobs in a second.", valueName: "n"))
  var rate: Double?

  @Option(
    help: ArgumentHelp("With the same key, it is the same operation.", valueName: "key"),
    transform: ArgumentText.idempotencyKey)
  var idempotencyKey: IdempotencyKey?

  @Flag(help: "Only say how many jobs are meant.")
  var dryRun = false

  @Flag(help: "Do it.")
  var yes = false

  @Flag(help: "Wait for its end, and show how far it is. Ctrl-C ends the wait, not the operation.")
  var wait = false

  @OptionGroup var server: ServerOptions

  private var filter: BulkFilter {
    BulkFilter(
      statuses: Set(jobs.status ?? []), type: jobs.jobType, queue: jobs.queue,
      createdAfter: createdAfter, createdBefore: createdBefore)
  }

  func validate() throws {
    if filter.isEmpty, !all {
      throw ValidationError(
        "which jobs? give one of --status, --type, --queue, --created-after, --created-before, or"
          + " --all")
    }
    if action == .delete, all {
      throw ValidationError(
        "delete takes no --all: say which jobs, by --status, --type, --queue, --created-after or"
          + " --created-before")
    }
    if !filter.isEmpty, all { throw ValidationError("--all excludes what narrows it") }
    if dryRun, yes { throw ValidationError("--dry-run and --yes exclude each other") }
    if wait, !yes { throw ValidationError("--wait is of use with --yes") }
  }

  func run() async throws {
    let client = try server.client(patience: wait ? ServerOptions.patience : .zero)
    let request = BulkRequest(action: action, filter: filter, reason: reason, rate: rate)
    guard yes else { return try await preview(request, client) }
    let operation = try await client.begin(request, key: idempotencyKey ?? .unique())
    guard wait else {
      return Console.write(
        server.json ? try JSONOutput.text(operation) : OperationText.line(operation) + "\n",
        to: .output)
    }
    let isShown = !server.json && Console.isTerminal(.error)
    let end = try await client.wait(forOperation: operation.id) { operation in
      if isShown { Console.write("\r\(OperationText.line(operation))\u{1B}[K", to: .error) }
    }
    if isShown { Console.write("\r\u{1B}[K", to: .error) }
    Console.write(
      server.json ? try JSONOutput.text(end) : OperationText.text(end, now: .now), to: .output)
    guard end.status == .completed, end.failed == 0 else {
      throw ExitCode(ExitStatus.jobNotCompleted.rawValue)
    }
  }

  /// - Throws: the exit status of a wrong command line where it was not asked for.
  private func preview(_ request: BulkRequest, _ client: JobClient) async throws {
    let preview = try await client.preview(request)
    Console.write(
      server.json ? try JSONOutput.text(preview) : "\(preview.matching) jobs are meant\n",
      to: .output)
    guard dryRun else {
      Console.write("nothing was done; with --yes it is\n", to: .error)
      throw ExitCode(ExitStatus.usage.rawValue)
    }
  }
}

struct OperationsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "operations", abstract: "Shows what is done to many jobs, and cancels it.",
    subcommands: [List.self, Get.self, Cancel.self], defaultSubcommand: List.self)

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Lists operations, the newest first.")

    @Option(
      help: "Only those that are running, completed or canceled.", transform: ArgumentText.choice)
    var status: BulkOperation.Status?

    @OptionGroup var page: PageOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      let list = try await server.client().operations(
        status: status, page: page.page, pageSize: page.pageSize)
      try ListPrinter(json: server.json).show(
        list, Table(list.operations, now: .now), none: "there are no operations",
        total: list.total)
    }
  }

  struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "get", abstract: "Shows an operation.")

    @OptionGroup var operation: OperationArgument
    @OptionGroup var server: ServerOptions

    func run() async throws {
      let operation = try await server.client().operation(operation.id)
      Console.write(
        server.json ? try JSONOutput.text(operation) : OperationText.text(operation, now: .now),
        to: .output)
    }
  }

  struct Cancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "cancel", abstract: "Stops an operation; what it has done stays done.")

    @OptionGroup var operation: OperationArgument
    @OptionGroup var server: ServerOptions

    func run() async throws {
      let operation = try await server.client().cancelOperation(operation.id)
      Console.write(
        server.json ? try JSONOutput.text(operation) : OperationText.line(operation) + "\n",
        to: .output)
    }
  }
}

/// The operation that a command is about.
struct OperationArgument: ParsableArguments {
  @Argument(
    help: ArgumentHelp("The operation's id.", valueName: "id"), transform: ArgumentText.uuid)
  var id: UUID
}
