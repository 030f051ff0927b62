import Jobs

/// The consumers of all queues that the worker takes jobs from.
struct QueueConsumers: Sendable {
  private let consumers: [JobQueueName: QueueConsumer]

  /// - Parameter queues: of those with the same name the last counts.
  init(_ queues: [JobQueue], consumer: (JobQueue) -> QueueConsumer) {
    let queues = Dictionary(queues.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    consumers = queues.mapValues(consumer)
  }

  var all: [QueueConsumer] { consumers.values.sorted { $0.queue < $1.queue } }

  /// The queues for which it was told to park.
  var parked: [JobQueueName] { all.filter(\.isParked).map(\.queue) }

  /// There is something to run in a queue.
  func wake(_ queue: JobQueueName) async {
    await consumers[queue]?.wake()
  }

  /// Subscribes to a queue anew.
  func renew(_ queue: JobQueueName) async {
    await consumers[queue]?.renew()
  }

  /// Where there is no such queue, all are meant.
  func scope(of queue: JobQueueName) -> OutageScope {
    consumers[queue] == nil ? .worker : .queue(queue)
  }

  /// Takes nothing more from the queues that are meant.
  func pause(_ scope: OutageScope) async {
    for consumer in all where scope.contains(consumer.queue) { await consumer.pause(for: scope) }
  }

  /// Takes from them again.
  func resume(_ scope: OutageScope) async {
    for consumer in all where scope.contains(consumer.queue) { await consumer.resume(from: scope) }
  }
}
