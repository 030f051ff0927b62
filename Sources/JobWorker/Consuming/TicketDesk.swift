import Foundation
import Jobs
import Logging

/// Takes a ticket from its arrival to its acknowledgement: claim, run, report, acknowledge.
struct TicketDesk<Authority: JobAuthority>: Sendable {
  let worker: WorkerID
  let registry: JobRegistry
  let jobs: JobsAtHand
  let lanes: Lanes
  let authority: Authority
  let executor: Executor<Authority>
  let lifecycle: WorkerLifecycle
  /// How long a job may run on its delivery: after that the lease alone guards it.
  let detachAfter: Duration
  let deadlines: DeadlineQueue
  let condition: WorkerCondition
  let logger: Logger

  private enum Permission {
    case run(JobAssignment)
    case drop(ClaimRefusal)
    /// The worker ends, and takes on nothing.
    case none
  }

  /// Deals with a ticket, and with those of the same job that come meanwhile.
  func handle(_ first: ReceivedTicket, in slots: SlotGate) async {
    if case .behind(let void) = jobs.arrive(first) {
      lanes.forget(void)
      logger.debug("a job that is here was delivered again", metadata: ["job": "\(first.job)"])
      return
    }
    var next: ReceivedTicket? = first
    while let ticket = next {
      await attend(ticket, slots)
      next = jobs.leave(ticket.job)
    }
  }

  private func attend(_ ticket: ReceivedTicket, _ slots: SlotGate) async {
    guard await slots.acquire() else { return await lanes.giveBack(ticket) }
    defer { slots.release() }
    guard !condition.isOut(of: ticket.queue) else { return await lanes.giveBack(ticket) }
    switch await claim(ticket.job) {
    case .run(let assignment):
      await run(assignment, ticket)
    case .drop(let refusal):
      logger.debug(
        "a ticket is void", metadata: ["job": "\(ticket.job)", "because": "\(refusal)"])
      await lanes.ack(ticket)
    case .none:
      await lanes.giveBack(ticket)
    }
  }

  /// Asks until there is an answer: who asks keeps the ticket, so that nothing is lost by waiting.
  private func claim(_ job: JobID) async -> Permission {
    let request = ClaimRequest(job: job, worker: worker)
    while lifecycle.phase == .working {
      do {
        switch try await authority.claim([request]).first {
        case .run(let assignment) where assignment.job == job: return .run(assignment)
        case .drop(let refusal): return .drop(refusal)
        case .askAgain: break
        case .run, nil: throw AuthorityError("the answer is none to this claim")
        }
      } catch {
        logger.notice(
          "a claim was not answered; it is asked again",
          metadata: ["job": "\(job)", "error": "\(error)"])
      }
      let pause = Duration.milliseconds(500) * Double.random(in: 1...2)
      if await lifecycle.reached(.draining, within: pause) { break }
    }
    return .none
  }

  private func run(_ assignment: JobAssignment, _ ticket: ReceivedTicket) async {
    let attempt = Attempt()
    jobs.begin(assignment, attempt)
    let delivery = HeldDelivery(ticket, lanes)
    // A task only for a job that does take so long.
    let detachment = deadlines.after(detachAfter) { Task { await delivery.detach() } }
    defer { deadlines.cancel(detachment) }
    let ending: Executor<Authority>.Ending
    if let type = registry.types[assignment.type] {
      ending = await executor.run(assignment, type, attempt, from: ticket.queue)
    } else {
      // The ticket named another type than the job has. The server issues a right one.
      ending = await executor.giveBack(assignment, attempt)
    }
    switch ending {
    case .reported:
      await delivery.ack()
    case .silent:
      if attempt.orders.contains(.stop) { await delivery.ack() } else { delivery.leave() }
    }
  }
}
