import Jobs
import Synchronization

/// The delivery of a job that runs: it is acknowledged once, at the job's end or, when that takes long, before.
///
/// RabbitMQ ends the channel of a consumer that holds a delivery for longer than its consumer timeout, 30 minutes by default.
final class HeldDelivery: Sendable {
  private enum Stage {
    case held
    case detached
    case ended
  }

  private let ticket: ReceivedTicket
  private let lanes: Lanes
  private let stage = Mutex(Stage.held)

  init(_ ticket: ReceivedTicket, _ lanes: Lanes) {
    self.ticket = ticket
    self.lanes = lanes
  }

  /// Acknowledges it while the job runs on.
  func detach() async {
    if advance(to: .detached) == .held { await lanes.detach(ticket) }
  }

  /// The job has ended, and its outcome is durable or not wanted.
  func ack() async {
    switch advance(to: .ended) {
    case .held: await lanes.ack(ticket)
    case .detached: lanes.release(ticket)
    case .ended: break
    }
  }

  /// The job has ended without an outcome: the broker keeps the delivery, until the connection ends.
  func leave() {
    if advance(to: .ended) == .detached { lanes.release(ticket) }
  }

  /// - Returns: the stage before.
  private func advance(to next: Stage) -> Stage {
    stage.withLock { stage in
      defer { if stage != .ended { stage = next } }
      return stage
    }
  }
}
