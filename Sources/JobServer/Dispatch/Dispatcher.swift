import AMQP
import JobStore
import JobTransport
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Issues a ticket for each job that waits and is due. The row is there first, then the ticket, then the note that the broker
/// has it: a crash in between leads to a second ticket, which is harmless.
///
/// Each queue is served by itself: one whose tickets the broker does not take, or whose notes the store does not, is left
/// alone for a while and holds up no other.
struct Dispatcher<Broker: MessageBroker>: Service {
  let store: StatusStore
  let broker: Broker
  let names: TransportNames
  /// Raised when there may be something to issue.
  let work: Signal
  let clock: any ServerClock
  let log: ServerLog
  /// Whether the broker fails over whoever consumes from a queue, as is found out on a connection of its own.
  var isBroken: @Sendable (String) async -> Bool = { _ in false }
  /// Has the workers subscribe to a queue anew.
  var renew: @Sendable (JobQueueName) async -> Void = { _ in }
  /// The most tickets of one turn: one read, one batch of publications and one transaction for each queue.
  var batchLimit = 500

  func run() async throws {
    let lanes = DispatchLanes()
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        while !Task.isCancelled {
          let pause: Duration?
          // One look at the clock a turn: a pause that ends meanwhile must not be missed.
          let uptime = clock.uptime
          do {
            let due = try await due(lanes, at: uptime)
            guard due.isEmpty else {
              for (queue, jobs) in due {
                group.addTask { await issue(jobs, in: queue, lanes) }
              }
              continue
            }
            pause = try await idle(lanes, at: uptime)
          } catch {
            log.count(\.storeFailures)
            log.burst(.error, "tickets cannot be issued now", ["error": "\(error)"])
            pause = RetryPauses.brief.first
          }
          await work.wait(atMost: pause, clock: clock)
        }
      }
    }
  }

  /// Reserves what is due in the queues that are free.
  private func due(
    _ lanes: DispatchLanes, at uptime: Duration
  ) async throws(StoreError) -> [JobQueueName: [Job]] {
    lanes.follow(await broker.generation)
    let due = try await store.due(
      at: clock.now, limit: batchLimit, except: lanes.closed(at: uptime))
    let queues = Dictionary(grouping: due, by: \.queue)
    lanes.begin(queues.keys)
    return queues
  }

  /// How long there is nothing to do. A clock that is set meanwhile is noticed within the minute.
  private func idle(
    _ lanes: DispatchLanes, at uptime: Duration
  ) async throws(StoreError) -> Duration? {
    let now = clock.now
    let next = try await store.nextDue(after: now, except: lanes.closed(at: uptime))
    return [next.map { min(max($0 - now, .zero), .seconds(60)) }, lanes.next(after: uptime)]
      .compactMap { $0 }.min()
  }

  private func issue(_ jobs: [Job], in queue: JobQueueName, _ lanes: DispatchLanes) async {
    let issued = await publish(jobs, in: queue, lanes)
    // Until it is noted, the queue is not served again: its jobs would get a ticket each time.
    _ = await clock.untilDone { () throws(StoreError) in
      guard !issued.isEmpty else { return }
      _ = try await store.update(issued.map(\.id), leavingOut: true) { index, job in
        job.noteTicket(afterAttempt: issued[index].attempt)
      }
    } failed: { error in
      log.count(\.storeFailures)
      log.burst(
        .error, "issued tickets cannot be noted; their queue waits",
        ["queue": "\(names.queue(queue))", "error": "\(error)"])
    }
    lanes.end(queue, isRefused: issued.count < jobs.count, at: clock.uptime)
    work.raise()
  }

  /// - Returns: the jobs whose tickets the broker has confirmed.
  private func publish(
    _ jobs: [Job], in queue: JobQueueName, _ lanes: DispatchLanes
  ) async -> [Job] {
    var tickets: [(job: Job, publication: Publication)] = []
    for job in jobs {
      do {
        tickets.append(
          (
            job,
            Publication(
              try WireCoding.message(Ticket(job: job.id, type: job.type)),
              exchange: names.work, routingKey: queue.rawValue, mandatory: true)
          ))
      } catch {
        log.burst(.error, "a ticket cannot be written", ["job": "\(job.id)", "error": "\(error)"])
      }
    }
    let verdicts = await broker.publish(tickets.map(\.publication), timeout: .seconds(10))
    var issued: [Job] = []
    var isMissing = false
    for (ticket, verdict) in zip(tickets, verdicts) {
      switch verdict {
      case .confirmed: issued.append(ticket.job)
      case .returned: isMissing = true
      default:
        log.burst(
          .notice, "a ticket was not confirmed and is issued again",
          ["queue": "\(names.queue(queue))", "verdict": "\(verdict)"])
      }
    }
    log.count(\.refusedTickets, jobs.count - issued.count)
    if isMissing { await declare(queue) }
    let isNacked = !verdicts.isEmpty && verdicts.allSatisfy { $0 == .nacked }
    if lanes.noteNacked(queue, isNacked, at: clock.uptime) >= Self.suspicion {
      await replaceBroken(queue)
    }
    return issued
  }

  /// How long a queue has to refuse everything before it is looked at whether its process is gone: longer than one takes to
  /// find a leader, or to read its log after a restart.
  private static var suspicion: Duration { .seconds(15) }

  /// Makes a queue anew whose process is gone, as after a deletion that a crash of the broker has cut short: it heals by nothing
  /// else. That it seems to be empty is no proof, since RabbitMQ says so of every quorum queue without a leader; that the broker
  /// fails over whoever consumes from it is. (One whose other nodes are away it does not delete.)
  private func replaceBroken(_ queue: JobQueueName) async {
    let name = names.queue(queue)
    do {
      let info = try await broker.inspect(queue: name)
      guard info.messages == 0, info.consumers == 0, await isBroken(name) else { return }
      try await broker.delete(queue: name)
      try await broker.declare(
        JobTopology.work(names, queues: [queue], broker: broker.brokerVersion))
      await renew(queue)
      log.burst(
        .error, "the process of a queue was gone; it has been made anew",
        ["queue": "\(name)"])
    } catch {
      log.burst(
        .error, "the process of a queue is gone, and it cannot be made anew",
        ["queue": "\(name)", "error": "\(error)"])
    }
  }

  private func declare(_ queue: JobQueueName) async {
    log.burst(
      .warning, "a queue was missing and is declared again", ["queue": "\(names.queue(queue))"])
    do {
      try await broker.declare(
        JobTopology.work(names, queues: [queue], broker: broker.brokerVersion))
    } catch {
      log.burst(
        .error, "a queue cannot be declared; its jobs wait",
        ["queue": "\(names.queue(queue))", "error": "\(error)"])
    }
  }
}

/// Which queues are being served, and which are left alone for a while.
private final class DispatchLanes: Sendable {
  private struct State {
    var generation: UInt64 = 0
    var busy: Set<JobQueueName> = []
    var refused = RetrySchedule<JobQueueName>(.brief)
    /// Since when all their tickets have been nacked, whatever the connection.
    var nackedSince: [JobQueueName: Duration] = [:]
  }

  private let state = Mutex(State())

  /// On a new connection every queue may be tried again.
  func follow(_ generation: UInt64) {
    state.withLock { state in
      guard state.generation != generation else { return }
      state.generation = generation
      state.refused.clear()
    }
  }

  func closed(at uptime: Duration) -> Set<JobQueueName> {
    state.withLock { $0.busy.union($0.refused.waiting(at: uptime)) }
  }

  func next(after uptime: Duration) -> Duration? {
    state.withLock { $0.refused.next(after: uptime) }
  }

  /// - Returns: how long everything has been nacked.
  func noteNacked(_ queue: JobQueueName, _ isNacked: Bool, at uptime: Duration) -> Duration {
    state.withLock { state in
      guard isNacked else {
        state.nackedSince[queue] = nil
        return .zero
      }
      let since = state.nackedSince[queue] ?? uptime
      state.nackedSince[queue] = since
      return uptime - since
    }
  }

  func begin(_ queues: some Sequence<JobQueueName>) {
    state.withLock { $0.busy.formUnion(queues) }
  }

  func end(_ queue: JobQueueName, isRefused: Bool, at uptime: Duration) {
    state.withLock { state in
      state.busy.remove(queue)
      if isRefused { state.refused.fail(queue, at: uptime) } else { state.refused.succeed(queue) }
    }
  }
}
