import Jobs

/// All queues that the worker takes jobs from.
struct Lanes: Sendable {
  private let lanes: [JobQueueName: Lane]

  /// - Parameter queues: of those with the same name the last counts.
  init(_ queues: [JobQueue]) {
    lanes = Dictionary(queues.map { ($0.name, Lane($0)) }, uniquingKeysWith: { _, last in last })
  }

  var all: [Lane] { lanes.values.sorted { $0.queue.name < $1.queue.name } }

  /// The ticket is dealt with.
  func ack(_ ticket: ReceivedTicket) async {
    await lanes[ticket.queue]?.ack([ticket.tag], of: ticket.source)
  }

  /// The ticket goes back to its queue.
  func giveBack(_ ticket: ReceivedTicket) async {
    await lanes[ticket.queue]?.giveBack([ticket.tag], of: ticket.source)
  }

  /// The tickets are void, as their connection has ended: there is nothing to tell the broker.
  func forget(_ tickets: [ReceivedTicket]) {
    for ticket in tickets { lanes[ticket.queue]?.settled(1, of: ticket.source) }
  }

  /// The ticket is dealt with, though its job runs on.
  func detach(_ ticket: ReceivedTicket) async {
    await lanes[ticket.queue]?.detach(ticket.tag, of: ticket.source)
  }

  /// A job that ran on without its ticket has ended.
  func release(_ ticket: ReceivedTicket) {
    lanes[ticket.queue]?.release()
  }

  /// Subscribes to a queue anew.
  func renew(_ queue: JobQueueName) async {
    await lanes[queue]?.renew()
  }

  /// Where there is no such queue, all are meant.
  func scope(of queue: JobQueueName) -> OutageScope {
    lanes[queue] == nil ? .worker : .queue(queue)
  }

  /// Takes nothing more from the queues that are meant.
  func pause(_ scope: OutageScope) async {
    for lane in lanes.values where scope.contains(lane.queue.name) { await lane.pause(for: scope) }
  }

  /// Takes from them again.
  func resume(_ scope: OutageScope) {
    for lane in lanes.values where scope.contains(lane.queue.name) { lane.resume(from: scope) }
  }

  /// From now on no job of any queue gets a slot.
  func close() {
    for lane in lanes.values { lane.slots.close() }
  }
}
