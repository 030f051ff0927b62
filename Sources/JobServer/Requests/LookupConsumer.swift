import AMQP
import Foundation
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Answers what producers ask about jobs through the broker: all that has gathered is looked up at once.
///
/// It has a queue, a consumer and tasks of its own, so that it holds up nothing else. What is asked for is acknowledged when it
/// has been answered, so that the prefetch bounds how many answers are under way.
struct LookupConsumer<Broker: MessageBroker>: Service {
  /// How many bytes of jobs the answers to one batch have.
  private static var mostBytes: Int { 8 << 20 }
  /// How many batches may be answered at the same time, each with so many bytes.
  private static var mostUnderWay: Int { 4 }
  /// How many jobs are changed in one transaction.
  private static var mostChanges: Int { 100 }

  let store: any JobStore
  let watches: JobWatches
  let consuming: Broker
  let publishing: Broker
  let names: TransportNames
  let access: BrokerAccess
  let clock: any ServerClock
  let log: ServerLog

  /// A request that can be answered.
  fileprivate struct Asker {
    let request: JobRequest
    let tenant: UUID
    let address: String
    let correlationID: String?
  }

  func run() async throws {
    try await untilGracefulShutdown {
      guard
        let consumer = try await consuming.consume(
          Subscription(queue: names.requests, prefetch: 128), clock: clock, log)
      else { return }
      try await withThrowingTaskGroup(of: Void.self) { group in
        var underWay = 0
        for try await deliveries in consumer {
          if underWay >= Self.mostUnderWay {
            try await group.next()
            underWay -= 1
          }
          underWay += 1
          let answers = await answer(deliveries)
          group.addTask {
            await send(answers)
            await consumer.ack(deliveries.map(\.tag))
          }
        }
      }
    }
  }

  private func answer(_ deliveries: [Delivery]) async -> [Publication] {
    var answers: [Publication] = []
    var askers: [Asker] = []
    for delivery in deliveries {
      let properties = delivery.message.properties
      guard let address = properties.replyTo, !names.isOwn(address) else {
        refuse("a request names no reply_to that can be answered")
        continue
      }
      do throws(LookupError) {
        let (request, named) = try JobRequest.read(delivery.message)
        let tenant = try tenant(named, of: properties)
        let asker = Asker(
          request: request, tenant: tenant, address: address,
          correlationID: properties.correlationID)
        try watch(asker)
        askers.append(asker)
      } catch {
        refuse("a request is refused", ["error": "\(error)"])
        answers.append(refusal(error, to: address, properties.correlationID))
      }
    }
    return answers + (await look(askers))
  }

  private func tenant(
    _ named: UUID, of properties: MessageProperties
  ) throws(LookupError) -> UUID {
    do {
      return try access.tenant(named, by: properties.userID)
    } catch {
      throw LookupError(error.description)
    }
  }

  private func refuse(_ what: String, _ metadata: Logger.Metadata = [:]) {
    log.count(\.badRequests)
    log.burst(.warning, what, metadata)
  }

  private func refusal(
    _ error: LookupError, to address: String, _ correlationID: String?
  ) -> Publication {
    Publication(
      LookupMessage.refusal(error, correlationID: correlationID), exchange: "",
      routingKey: address)
  }

  /// The job as it is now is told by the ``WatchPublisher`` too, so that what is told later comes later.
  private func watch(_ asker: Asker) throws(LookupError) {
    guard case .watch(let job, let duration) = asker.request else { return }
    let refusal = watches.add(
      job, tenant: asker.tenant, address: asker.address,
      correlationID: asker.correlationID, for: duration)
    if let refusal { throw refusal }
  }

  private func look(_ askers: [Asker]) async -> [Publication] {
    let asking = askers.filter { !$0.lookups.isEmpty }
    guard !asking.isEmpty else { return [] }
    do throws(StoreError) {
      // Before it is looked: what ends meanwhile is told, at worst twice.
      let unnoted = try await note(asking)
      // In the order in which they were asked for, so that the first have room.
      var seen: Set<JobLookup> = []
      let asked = asking.flatMap(\.lookups).filter { seen.insert($0).inserted }
      let found = try await store.find(asked, bytes: Self.mostBytes)
      let findings = Dictionary(zip(asked, found)) { $1 }
      var room = Self.mostBytes
      return asking.map { answer($0, findings, unnoted, &room) }
    } catch {
      log.count(\.storeFailures)
      log.burst(.error, "requests cannot be answered", ["error": "\(error)"])
      return asking.map {
        refusal(LookupError("\(error); ask again later"), to: $0.address, $0.correlationID)
      }
    }
  }

  /// Notes in the store who wants to be told of the end of which jobs.
  ///
  /// - Returns: those of which that could not be noted, since they were not there. They may have come since; that their end is told
  ///   must not be believed all the same.
  private func note(_ askers: [Asker]) async throws(StoreError) -> Set<JobLookup> {
    let commands = askers.flatMap { asker -> [JobCommand] in
      guard case .tellEnd(let jobs) = asker.request else { return [] }
      return jobs.map { job in
        JobCommand(
          .addReply(JobReply(address: asker.address, correlationID: job.description)), of: job,
          tenant: asker.tenant)
      }
    }
    var unnoted: Set<JobLookup> = []
    for start in stride(from: 0, to: commands.count, by: Self.mostChanges) {
      let part = Array(commands[start..<min(commands.count, start + Self.mostChanges)])
      for (command, result) in zip(part, try await store.apply(part, at: clock.now))
      where result == nil {
        unnoted.insert(.id(command.job, tenant: command.tenant ?? .zero))
      }
    }
    return unnoted
  }

  private func answer(
    _ asker: Asker, _ findings: [JobLookup: JobFinding], _ unnoted: Set<JobLookup>,
    _ room: inout Int
  ) -> Publication {
    let isForEnds = if case .tellEnd = asker.request { true } else { false }
    let message = LookupMessage.answer(
      asker.lookups, room: &room, of: Self.mostBytes, correlationID: asker.correlationID
    ) { lookup in
      switch findings[lookup] {
      case .found? where isForEnds && unnoted.contains(lookup): .known(nil)
      case .found(let job)?: .known(job)
      case .unknown?: .known(nil)
      case .left?, nil: .left
      }
    }
    return Publication(message, exchange: "", routingKey: asker.address)
  }

  private func send(_ answers: [Publication]) async {
    guard !answers.isEmpty else { return }
    let verdicts = await publishing.publish(answers, timeout: .seconds(10))
    for verdict in verdicts where verdict != .confirmed {
      log.burst(.notice, "an answer to a request was not delivered", ["verdict": "\(verdict)"])
    }
  }
}

extension LookupConsumer.Asker {
  /// What is to be looked up for it.
  fileprivate var lookups: [JobLookup] {
    switch request {
    case .get(let jobs), .tellEnd(let jobs): jobs.map { .id($0, tenant: tenant) }
    case .getKey(let key): [.key(key.uuid, tenant: tenant)]
    case .watch: []
    }
  }
}
