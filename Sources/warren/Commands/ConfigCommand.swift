import ArgumentParser

struct ConfigCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Works on the configuration file.",
    subcommands: [ConfigCheckCommand.self])
}
