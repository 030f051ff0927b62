import ArgumentParser
import JobClient
import Jobs

struct ListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Lists jobs.")

  @OptionGroup var jobs: JobFilterOptions

  @Option(
    // Its value may begin with a hyphen.
    parsing: .unconditional,
    help: ArgumentHelp(
      "By what they are ordered, with - in front from the highest (default: -created_at).",
      valueName: "member"))
  var order: String?

  @Option(
    help: ArgumentHelp(
      "What follows the list that ended with this; of use where pages would be many.",
      valueName: "next"))
  var after: String?

  @OptionGroup var page: PageOptions
  @OptionGroup var server: ServerOptions

  func validate() throws {
    if after != nil, page.page != nil {
      throw ValidationError("--after and --page exclude each other")
    }
  }

  func run() async throws {
    let list = try await server.client().list(
      JobFilter(
        statuses: jobs.status ?? [], type: jobs.jobType, queue: jobs.queue, order: order,
        page: page.page,
        after: after, pageSize: page.pageSize))
    try ListPrinter(json: server.json).show(
      list, Table(list.jobs, now: .now), none: "there are no such jobs", total: list.total,
      next: list.next)
  }
}

struct TypesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "types", abstract: "Lists the job types.")

  @OptionGroup var page: PageOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    let list = try await server.client().types(page: page.page, pageSize: page.pageSize)
    try ListPrinter(json: server.json).show(
      list, Table(list.jobTypes), none: "there are no job types", total: list.total)
  }
}

struct GroupsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "groups", abstract: "Lists the job groups.")

  @OptionGroup var page: PageOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    let list = try await server.client().groups(page: page.page, pageSize: page.pageSize)
    try ListPrinter(json: server.json).show(
      list, Table(list.jobGroups), none: "there are no job groups", total: list.total)
  }
}

struct QueuesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "queues", abstract: "Lists the job queues, with how much waits and runs.")

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let list = try await server.client().queues()
    try ListPrinter(json: server.json).show(
      list, Table(list.queues), none: "there are no job queues", total: list.queues.count)
  }
}

struct WorkersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workers", abstract: "Lists the workers that are there.")

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let list = try await server.client().workers()
    try ListPrinter(json: server.json).show(
      list, Table(list.workers, now: .now), none: "there are no workers",
      total: list.workers.count)
  }
}
