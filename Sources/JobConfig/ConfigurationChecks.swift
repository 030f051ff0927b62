public import Jobs

/// What is checked of a configuration by those who use it: this module knows neither AMQP URLs nor command templates.
/// Each check answers with what is wrong, in words; what it says is reported at the setting's place in the file.
public struct ConfigurationChecks: Sendable {
  /// The broker's URL.
  public var broker: @Sendable (_ url: String) -> [String]
  /// A type's command, with its default params.
  public var command: @Sendable (_ command: [String], _ params: JSONValue) -> [String]
  /// What stands in a command's braces like a param's name and is none of the default params: those that look like one
  /// misspelt make a warning.
  public var undeclared: @Sendable (_ command: [String], _ params: JSONValue) -> [String]

  public init(
    broker: @escaping @Sendable (_ url: String) -> [String] = { _ in [] },
    command: @escaping @Sendable (_ command: [String], _ params: JSONValue) -> [String] = { _, _ in
      []
    },
    undeclared: @escaping @Sendable (_ command: [String], _ params: JSONValue) -> [String] = {
      _, _ in []
    }
  ) {
    self.broker = broker
    self.command = command
    self.undeclared = undeclared
  }
}
