import ArgumentParser
import JobClient
import Jobs

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
