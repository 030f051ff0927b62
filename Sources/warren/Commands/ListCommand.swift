import ArgumentParser
import JobClient
import Jobs

struct ListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Lists jobs.")

  @Option(
    help: ArgumentHelp("Only with these statuses, separated by commas.", valueName: "statuses"),
    transform: ArgumentText.statuses)
  var status: [JobStatus]?

  @Option(
    name: .customLong("type"), help: ArgumentHelp("Only of this job type.", valueName: "type"),
    transform: ArgumentText.jobType)
  var jobType: JobTypeID?

  @Option(
    help: ArgumentHelp("Only of this job queue.", valueName: "queue"),
    transform: ArgumentText.queue)
  var queue: JobQueueName?

  @Option(
    // Its value may begin with a hyphen.
    parsing: .unconditional,
    help: ArgumentHelp(
      "By what they are ordered, with - in front from the highest (default: -scheduled_at).",
      valueName: "member"))
  var order: String?

  @OptionGroup var page: PageOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    let list = try await server.client().list(
      JobFilter(
        statuses: status ?? [], type: jobType, queue: queue, order: order, page: page.page,
        pageSize: page.pageSize))
    try ListPrinter(json: server.json).show(
      list, Table(list.jobs, now: .now), none: "there are no such jobs", total: list.total)
  }
}
