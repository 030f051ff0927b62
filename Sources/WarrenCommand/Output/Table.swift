import JobConfig
import Jobs
import TextTable

/// A table for people.
struct Table: Hashable {
  struct Heading: Hashable {
    let title: String
    var isNumber = false

    init(_ title: String, isNumber: Bool = false) {
      self.title = title
      self.isNumber = isNumber
    }
  }

  /// Longer cells are cut.
  static let cellLimit = 60

  let headings: [Heading]
  /// Each with a cell for each heading.
  let rows: [[String]]

  init(_ headings: [Heading], rows: [[String]]) {
    self.headings = headings
    self.rows = rows.map { row in row.map { TerminalText.line($0, limit: Self.cellLimit) } }
  }

  /// The lines of the table; `nil` when it has no rows.
  var text: String? {
    let table = TextTable<[String]> { row in
      zip(headings, row).map { heading, cell in
        Column(title: heading.title, value: cell, align: heading.isNumber ? .right : .left)
      }
    }
    return table.string(for: rows, style: Style.simple)?
      .split(separator: "\n", omittingEmptySubsequences: false)
      .map { line in
        var line = line
        while line.last == " " { line.removeLast() }
        return String(line)
      }
      .joined(separator: "\n")
  }
}

/// Prints a list: as JSON, or as a table with what is to be said below it.
struct ListPrinter {
  let json: Bool

  /// - Parameters:
  ///   - answer: what the server gave.
  ///   - none: what is said of an empty list.
  ///   - total: how many there are on all pages.
  ///   - next: where the list goes on.
  func show(
    _ answer: some Encodable, _ table: Table, none: String, total: Int, next: String? = nil
  ) throws {
    if json {
      Console.write(try JSONOutput.text(answer), to: .output)
    } else {
      Console.write(Self.text(table, none: none, total: total, next: next), to: .output)
    }
  }

  static func text(_ table: Table, none: String, total: Int, next: String? = nil) -> String {
    guard let text = table.text else {
      return total > 0 ? "nothing on this page; there are \(total)\n" : none + "\n"
    }
    guard table.rows.count < total else { return text }
    let more = next.map { "; more with --after \($0)" } ?? ""
    return "\(text)\n\(table.rows.count) of \(total)\(more)\n"
  }
}

extension Table {
  init(_ jobs: [Job], now: Timestamp) {
    self.init(
      [
        Heading("id"), Heading("type"), Heading("status"), Heading("progress", isNumber: true),
        Heading("scheduled"), Heading("took", isNumber: true), Heading("details"),
      ],
      rows: jobs.map { job in
        [
          job.id.description, job.type.description, job.status.rawValue,
          "\(ProgressLine.percent(job)) %", HumanTime.text(job.scheduledAt, now: now),
          JobText.took(job, now: now).map { HumanTime.text($0) } ?? "", JobText.remark(job),
        ]
      })
  }
}

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

  init(_ webhooks: [Webhook]) {
    self.init(
      ["webhook", "origin", "types", "statuses", "queue"].map { Heading($0) },
      rows: webhooks.map { webhook in
        [
          webhook.name, webhook.origin,
          webhook.types.isEmpty ? "on request" : webhook.types.joined(separator: ", "),
          webhook.statuses.count == WebhookEndpoint.ends.count
            ? "all" : webhook.statuses.map(\.rawValue).joined(separator: ", "),
          webhook.queue.rawValue,
        ]
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
