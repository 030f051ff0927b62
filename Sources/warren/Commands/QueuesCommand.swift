import ArgumentParser
import JobClient
import Jobs

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
