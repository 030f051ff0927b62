import AMQP
import JobConfig
import JobWorker
import Jobs

extension ConfigurationChecks {
  /// What those say who will use the configuration.
  static let complete = ConfigurationChecks(broker: faults(ofBroker:), command: faults(of:params:))

  @Sendable private static func faults(ofBroker url: String) -> [String] {
    do throws(AMQPError) {
      _ = try ConnectionConfiguration(url: url)
      return []
    } catch {
      return [error.description]
    }
  }

  @Sendable private static func faults(of command: [String], params: JSONValue) -> [String] {
    do throws(CommandTemplateError) {
      return try CommandTemplate(command).unknownPlaceholders(in: params).map { name in
        "{\(name)} is no param of this type; a literal brace is written twice"
      }
    } catch {
      return [error.description]
    }
  }
}
