import ArgumentParser
import JobClient
import Jobs

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
