import AMQP
import Jobs

/// One thing that has to be there before the server is of use.
struct ReadinessCheck: Sendable {
  /// How long a check may take.
  static let patience = Duration.seconds(1)

  /// What is not ready, in words; `nil` when all is well.
  let fault: @Sendable () async -> String?

  /// The store answers.
  static func store(_ store: any JobStore) -> ReadinessCheck {
    ReadinessCheck {
      do {
        try await store.checkHealth()
        return nil
      } catch {
        return "the status store does not answer: \(error)"
      }
    }
  }

  /// A connection to the broker is up.
  ///
  /// - Parameter role: what it is for, as in "publishing".
  static func connection(_ connection: Connection, role: String) -> ReadinessCheck {
    ReadinessCheck {
      do {
        try await connection.waitUntilReady(timeout: patience)
        return nil
      } catch {
        return "the broker connection for \(role) is not up: \(error)"
      }
    }
  }
}
