import ArgumentParser
import JobClient
import Jobs

struct WebhooksCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "webhooks", abstract: "Shows who is told over HTTP of the ends of jobs.",
    discussion: """
      Which endpoints there are stands in the server's configuration. Their deliveries are jobs of the type \
      \(WebhookDelivery.type): `warren list --type \(WebhookDelivery.type) --status failed` shows what was not taken, and \
      `warren retry` sends it again.
      """,
    subcommands: [List.self, Test.self], defaultSubcommand: List.self)

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the webhook endpoints.")

    @OptionGroup var server: ServerOptions

    func run() async throws {
      let list = try await server.client().webhooks()
      try ListPrinter(json: server.json).show(
        list, Table(list.webhooks), none: "there are no webhooks", total: list.webhooks.count)
    }
  }

  struct Test: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Sends something to a webhook endpoint, once, and says what it answered.",
      discussion: "What is sent has the type webhook.test, and tells of no job.")

    @Argument(help: ArgumentHelp("The endpoint's name.", valueName: "name"))
    var name: String

    @OptionGroup var server: ServerOptions

    func run() async throws {
      let client = try server.client()
      let sent = try await client.testWebhook(name)
      let waiting = JobWait(client: client, timeout: JobWait.defaultTimeout, isQuiet: true)
      try JobPrinter(json: server.json).showEnd(of: try await waiting(sent.id))
    }
  }
}
