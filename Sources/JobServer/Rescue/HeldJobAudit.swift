import JobStore
import Jobs
import Logging
import ServiceLifecycle

/// Asks workers, now and then, about attempts of which nothing has been heard for a while. It is what notices a report that
/// was lost with the queue of reports (purged or deleted by an operator), a claim whose answer was lost, and an order to end
/// that did not arrive: none of them signals itself.
///
/// A round takes the next `batchSize` of these attempts, in one question to each of their workers. It waits for none of them.
struct HeldJobAudit: Service {
  /// The most attempts of one round: it bounds what a round costs, however many jobs run for long.
  static let batchSize = 500

  let store: StatusStore
  let control: WorkerControl
  let holders: HolderCheck
  /// Between two rounds.
  let interval: Duration
  /// How long nothing has to have been heard of an attempt.
  let silence: Duration
  let clock: any ServerClock
  let log: ServerLog

  func run() async throws {
    // While a worker is asked, the question of one more round may wait for it.
    let questions = PeerTasks<WorkerID>(limit: 1)
    try await cancelWhenGracefulShutdown {
      try await withThrowingDiscardingTaskGroup { group in
        group.addTask { try await questions.run() }
        var last: JobID?
        while (try? await clock.sleep(for: interval)) != nil {
          do {
            last = try await audit(after: last, questions)
          } catch {
            last = nil
            log.count(\.storeFailures)
            log.burst(.warning, "held jobs could not be audited", ["error": "\(error)"])
          }
        }
        group.cancelAll()
      }
    }
  }

  /// - Parameter last: where the round before has ended; `nil` begins anew.
  /// - Returns: where this one has ended; `nil` at the end of all.
  private func audit(
    after last: JobID?, _ questions: PeerTasks<WorkerID>
  ) async throws(StoreError) -> JobID? {
    let held = try await store.heldSilently(
      since: clock.now + (.zero - silence), after: last, limit: Self.batchSize)
    for (worker, attempts) in Dictionary(grouping: held, by: \.worker) {
      // One that is not taken comes up in a later round.
      _ = questions.submit(to: worker) { await ask(worker, about: attempts) }
    }
    return held.count == Self.batchSize ? held.last?.attempt.job : nil
  }

  private func ask(_ worker: WorkerID, about attempts: [HeldAttempt]) async {
    let answers = await control.possession(of: attempts.map(\.attempt), by: worker)
    var rest = zip(attempts, answers).filter { held, answer in
      switch answer {
      case .running: held.isEnding
      case .reported, .none: true
      case .unanswered: false
      }
    }[...]
    while !rest.isEmpty, !Task.isCancelled {
      await withDiscardingTaskGroup { group in
        for (held, answer) in rest.prefix(Recovery.batchSize) {
          group.addTask { await settle(held, knowing: answer) }
        }
      }
      rest = rest.dropFirst(Recovery.batchSize)
    }
  }

  private func settle(_ held: HeldAttempt, knowing answer: WorkerControl.Possession) async {
    do {
      guard let job = try await store.job(held.attempt.job),
        job.attempt == held.attempt.attempt, job.worker == held.worker
      else { return }
      await holders.settle(job, knowing: answer)
    } catch {
      log.count(\.storeFailures)
      log.burst(
        .warning, "a held job could not be looked at",
        ["job": "\(held.attempt.job)", "error": "\(error)"])
    }
  }
}
