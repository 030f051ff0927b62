import JobConfig
import Jobs

extension Table {
  init(_ types: [JobTypeDescription]) {
    self.init(
      [
        Heading("type"), Heading("description"), Heading("params"), Heading("timeout"),
        Heading("retries", isNumber: true), Heading("suspendable"),
      ],
      rows: types.map { type in
        [
          type.id.description, type.description, type.params.text,
          type.timeout == .zero ? "none" : DurationText.text(type.timeout),
          String(type.retry.maxRetries), type.suspendable ? "yes" : "no",
        ]
      })
  }

  init(_ groups: [JobGroup]) {
    self.init(
      [Heading("group"), Heading("queue"), Heading("description")],
      rows: groups.map { [$0.name, $0.queue.rawValue, $0.description] })
  }

  init(_ queues: [QueueStatus]) {
    self.init(
      [Heading("queue")]
        + ["capacity", "waiting", "scheduled", "running", "workers"].map {
          Heading($0, isNumber: true)
        },
      rows: queues.map { queue in
        [queue.name.rawValue]
          + [queue.capacity, queue.waiting, queue.scheduled, queue.running, queue.workers]
          .map { String($0) }
      })
  }

  init(_ counts: [PruneCount]) {
    self.init(
      [Heading("type"), Heading("status"), Heading("jobs", isNumber: true)],
      rows: counts.map {
        [$0.type?.description ?? "unreadable", $0.status.rawValue, "\($0.count)"]
      })
  }

  init(_ workers: [WorkerStatus], now: Timestamp) {
    self.init(
      [
        Heading("worker"), Heading("host"), Heading("pid", isNumber: true), Heading("started"),
        Heading("running", isNumber: true), Heading("state"), Heading("queues"), Heading("types"),
      ],
      rows: workers.map { worker in
        [
          worker.id.rawValue, worker.host, String(worker.processID),
          HumanTime.text(worker.startedAt, now: now), String(worker.running), worker.state,
          worker.queues.map { "\($0.name) \($0.capacity)" }.joined(separator: ", "),
          worker.types.map(\.description).joined(separator: ", "),
        ]
      })
  }
}

extension WorkerStatus {
  /// What keeps it from working as it should.
  fileprivate var state: String {
    if let outage { return "out: \(outage.reason)" }
    var parts = (queueOutages ?? []).map { outage in
      "out of \(outage.queue?.rawValue ?? "a queue"): \(outage.reason)"
    }
    if let stuck, !stuck.isEmpty {
      parts.append("stuck: " + stuck.map { "\($0.type) \($0.job)" }.joined(separator: ", "))
    }
    return parts.isEmpty ? "ok" : parts.joined(separator: "; ")
  }
}
