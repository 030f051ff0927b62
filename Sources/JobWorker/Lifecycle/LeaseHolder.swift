import AMQP
import JobTransport
import Jobs
import Logging

/// Holds the worker's lease: a message that it takes from a queue of its own and never acknowledges. When its connection
/// ends, in whatever way, the broker hands the message at once to the next consumer of that queue, which is the server.
struct LeaseHolder: Sendable {
  /// How long a lease is held before it is changed for a new one: well within the broker's consumer timeout, which is 30
  /// minutes unless it is set.
  private static let renewal = Duration.seconds(600)
  /// How long the message may be on its way. The server may get it, when it listened first; then it lets go.
  private static let patience = Duration.seconds(2)

  let worker: WorkerID
  let consuming: Connection
  let publishing: Connection
  let names: TransportNames
  /// Of the connection that jobs come through; listened to from before it is made.
  let events: AsyncStream<ConnectionEvent>
  let lifecycle: WorkerLifecycle
  /// The lease is held: the server is to be told.
  let onHeld: @Sendable () -> Void
  let logger: Logger

  private enum Step {
    case connected
    case arrived([DeliveryTag])
    case overdue
  }

  /// Runs until the task is cancelled.
  func run() async {
    do {
      // One message at a time is held, and the next one has to come while it is.
      let subscription = Subscription(queue: names.lease(worker), prefetch: 2)
      guard
        let consumer = try await consuming.subscribe(subscription, until: lifecycle, logger: logger)
      else { return }
      let (steps, step) = AsyncStream.makeStream(of: Step.self)
      await withTaskGroup { group in
        group.addTask {
          for await event in events {
            switch event {
            case .connected: step.yield(.connected)
            // The queue was deleted under it, and the lease with it.
            case .resubscribing(names.lease(worker), _): step.yield(.connected)
            default: break
            }
          }
        }
        group.addTask {
          do {
            for try await deliveries in consumer { step.yield(.arrived(deliveries.map(\.tag))) }
          } catch {
            // The jobs do not depend on it: the server learns of a loss by other ways, later.
            logger.error("the lease was lost", metadata: ["error": "\(error)"])
          }
        }
        await hold(steps, step, consumer)
        group.cancelAll()
      }
    } catch {
      lifecycle.fail(error)
    }
  }

  private func hold(
    _ steps: AsyncStream<Step>, _ step: AsyncStream<Step>.Continuation, _ consumer: Consumer
  ) async {
    var held: [DeliveryTag] = []
    var alarm = ask(step)
    defer { alarm.cancel() }
    for await event in steps {
      alarm.cancel()
      switch event {
      case .arrived(let tags):
        // Not before the next one is here.
        let old = held + tags.dropLast()
        held = tags.suffix(1)
        await consumer.ack(old)
        onHeld()
        alarm = ring(after: Self.renewal, step)
      case .connected, .overdue:
        alarm = ask(step)
      }
    }
  }

  /// Lays a message into the queue, and sees to it that it is done again if it does not come.
  private func ask(_ step: AsyncStream<Step>.Continuation) -> Task<Void, Never> {
    Task {
      let verdict = await publishing.publish(
        Publication(
          WireCoding.lease(), exchange: names.leases, routingKey: worker.rawValue, mandatory: true),
        timeout: Self.patience)
      if verdict != .confirmed {
        logger.debug("no lease yet", metadata: ["verdict": "\(verdict)"])
      }
      guard (try? await Task.sleep(for: Self.patience)) != nil else { return }
      step.yield(.overdue)
    }
  }

  private func ring(
    after time: Duration, _ step: AsyncStream<Step>.Continuation
  ) -> Task<Void, Never> {
    Task {
      guard (try? await Task.sleep(for: time)) != nil else { return }
      step.yield(.overdue)
    }
  }
}
