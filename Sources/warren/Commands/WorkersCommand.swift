import ArgumentParser
import JobClient
import Jobs

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
