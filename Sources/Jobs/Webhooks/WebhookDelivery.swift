package import Foundation

/// A delivery: the job of Warren's own that sends one event to one endpoint. It belongs to the tenant of the job that it tells of.
package enum WebhookDelivery {
  /// The type of all deliveries. Nobody else has jobs of this group.
  package static let type = JobTypeID.named("warren:webhook")
  /// The most bytes of an event's body: what a receiver wants to read of a job that is larger, it asks for.
  package static let mostBytes = 64 << 10
  /// The most names of endpoints that one job may give.
  package static let mostNames = 8
  /// How long a delivery may take besides its request.
  private static let slack = Duration.seconds(30)

  package static let group: JobGroup = {
    do throws(NameError) {
      return try JobGroup(
        type.group, queue: .warren, description: "What the server does by itself")
    } catch {
      preconditionFailure(error.description)
    }
  }()

  package static let description = JobTypeDescription(
    id: type, description: "Sends the end of a job to a webhook endpoint",
    timeout: .seconds(60), retry: RetryPolicy(maxRetries: 0), params: [:], schema: .anything,
    suspendable: false)

  /// What a delivery has to know: all that is sent, so that it can be sent again when the job that it tells of is gone.
  package struct Params: Sendable, Hashable, Codable {
    /// The name of the endpoint.
    package let endpoint: String
    /// The `webhook-id`: the same however often it is sent, also by a delivery that does this one again.
    package let id: String
    package let event: JSONValue
  }

  /// The delivery of a job's end. It has the same id whenever it is made.
  ///
  /// - Parameter event: the transition that is told.
  package static func job(
    telling event: JobEvent, of job: Job, to endpoint: WebhookEndpoint, at now: Timestamp
  ) -> NewJob {
    var ids = ChildIDs(of: job.id)
    return delivery(
      WebhookEvent.ended(job, at: event.at), to: endpoint,
      id: ids.next("webhook \(endpoint.name) \(event.sequence)"), tenant: job.tenantID,
      user: job.userID,
      context: job.context.filter { CarriedContext.traceHeaders.contains($0.key) }, at: now)
  }

  /// A delivery that tells of no job, so that whoever sets an endpoint up sees whether it works.
  package static func test(
    of endpoint: WebhookEndpoint, tenant: UUID, user: UUID, at now: Timestamp
  ) -> NewJob {
    var endpoint = endpoint
    endpoint.retries = []
    return delivery(
      WebhookEvent.test(of: endpoint, at: now), to: endpoint, id: JobID(), tenant: tenant,
      user: user, context: [:], at: now)
  }

  private static func delivery(
    _ event: JSONValue, to endpoint: WebhookEndpoint, id: JobID, tenant: UUID, user: UUID,
    context: [String: String], at now: Timestamp
  ) -> NewJob {
    let params: JSONValue = [
      "endpoint": .string(endpoint.name), "id": .string(id.description), "event": event,
    ]
    let job = Job(
      id: id, tenantID: tenant, userID: user, idempotencyKey: id.uuid, type: type,
      queue: endpoint.queue, params: params, timeout: endpoint.timeout + slack,
      // The sender says itself when it is tried again; this is for attempts that end without one.
      retry: RetryPolicy(
        maxRetries: endpoint.retries.count, delay: endpoint.retries.first ?? .zero,
        backoff: .exponential, jitter: WebhookEndpoint.jitter),
      context: context, scheduledAt: now, createdAt: now)
    return NewJob(job, submitted: params)
  }

  /// The queue in which a delivery waits, by its params; `nil` where they name no endpoint.
  package static func queue(of params: JSONValue) -> JobQueueName? {
    guard case .string(let name)? = params.members?["endpoint"] else { return nil }
    return try? JobQueueName("\(JobQueueName.reservedPrefix)webhook-\(name)")
  }
}

/// The body of a webhook, as the Standard Webhooks document has it: `type`, `timestamp` and `data`.
package enum WebhookEvent {
  /// What every text of a job is cut to where the job as a whole is too large.
  private static let mostText = 4096

  /// A job has ended. What of it is too large is left out and named in `omitted`.
  package static func ended(_ job: Job, at time: Timestamp) -> JSONValue {
    var data = job.webhookForm
    var omitted: [JSONValue] = []
    // It is itself in the params of a job, which may be nested so deeply.
    let depth = JSONValue.maxDepth - 4
    for name in ["params", "result"] {
      guard let value = data[name] else { continue }
      let fits =
        value.isNested(atMost: depth)
        && JSONValue.object(data).utf8.count <= WebhookDelivery.mostBytes - 1024
      if !fits {
        data[name] = nil
        omitted.append(.string(name))
      }
    }
    if JSONValue.object(data).utf8.count > WebhookDelivery.mostBytes - 1024 {
      for (name, value) in data {
        if case .string(let text) = value { data[name] = .string(text.shortened(to: mostText)) }
      }
      if data.removeValue(forKey: "context") != nil { omitted.append("context") }
    }
    var event: [String: JSONValue] = [
      "type": .string("job.\(job.status.rawValue)"), "timestamp": .string(text(time)),
      "data": .object(data),
    ]
    if !omitted.isEmpty { event["omitted"] = .array(omitted) }
    return .object(event)
  }

  package static func test(of endpoint: WebhookEndpoint, at time: Timestamp) -> JSONValue {
    [
      "type": "webhook.test", "timestamp": .string(text(time)),
      "data": ["webhook": .string(endpoint.name)],
    ]
  }

  private static func text(_ time: Timestamp) -> String {
    // It is cut to the millisecond: in the middle of one, so that no rounding leads to the one before.
    JSONDate.text(Date(timeIntervalSince1970: (Double(time.milliseconds) + 0.5) / 1000))
  }
}

extension Job {
  /// Its JSON form, member by member.
  fileprivate var webhookForm: [String: JSONValue] {
    // Params and result may be nested as deeply as a value may be by itself.
    (try? JSONValue(parsing: json, maxDepth: JSONValue.maxDepth + 1))?.members ?? [:]
  }
}
