import Foundation
import Jobs
import Logging
import SwiftProtobuf

// What goes over the wire for every job, as Protocol Buffers (wire.proto), and back. Reading refuses what a worker of
// Warren's does not send.

/// A message that can be read, and does not say what it has to.
struct WireContentError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }
}

extension WireID {
  init(_ uuid: UUID) {
    let (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) = uuid.uuid
    high = Self.joined(a, b, c, d, e, f, g, h)
    low = Self.joined(i, j, k, l, m, n, o, p)
  }

  var uuid: UUID {
    func byte(_ value: UInt64, _ index: UInt64) -> UInt8 {
      UInt8(truncatingIfNeeded: value >> (56 - 8 * index))
    }
    return UUID(
      uuid: (
        byte(high, 0), byte(high, 1), byte(high, 2), byte(high, 3), byte(high, 4), byte(high, 5),
        byte(high, 6), byte(high, 7), byte(low, 0), byte(low, 1), byte(low, 2), byte(low, 3),
        byte(low, 4), byte(low, 5), byte(low, 6), byte(low, 7)
      ))
  }

  private static func joined(
    _ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, _ e: UInt8, _ f: UInt8, _ g: UInt8, _ h: UInt8
  ) -> UInt64 {
    let upper = UInt64(a) << 56 | UInt64(b) << 48 | UInt64(c) << 40 | UInt64(d) << 32
    return upper | UInt64(e) << 24 | UInt64(f) << 16 | UInt64(g) << 8 | UInt64(h)
  }
}

extension WorkerID {
  /// A name without NUL, which no store keeps as it is.
  fileprivate init(onWire name: String) throws {
    guard !name.isEmpty, !name.utf8.contains(0) else {
      throw WireContentError("'\(name.shortened(to: 100))' is no name of a worker")
    }
    self.init(rawValue: name)
  }
}

extension ClaimRequest {
  init(_ form: WireClaim) throws {
    guard form.hasClaim else { throw WireContentError("a claim has no id") }
    self.init(
      worker: try WorkerID(onWire: form.worker), epoch: form.epoch, claim: form.claim.uuid,
      isRepeated: form.isRepeated, queue: try JobQueueName(form.queue), count: Int(form.count),
      types: try form.types.map { try JobTypeID($0) })
  }

  func form() -> WireClaim {
    .with {
      $0.worker = worker.rawValue
      $0.epoch = epoch
      $0.claim = WireID(claim)
      $0.isRepeated = isRepeated
      $0.queue = queue.rawValue
      $0.count = Int32(clamping: count)
      $0.types = types.map(\.description)
    }
  }
}

extension ClaimAnswer {
  init(_ form: WireAnswer) throws {
    let rest: Rest =
      switch form.rest {
      case .void: .void
      case .park: .park
      case .again: .again
      case .unregistered: .unregistered
      case .unspecified, .UNRECOGNIZED:
        throw WireContentError("an answer does not say what becomes of the other tickets")
      }
    self.init(jobs: try form.jobs.map { try JobAssignment($0) }, rest: rest)
  }

  func form() -> WireAnswer {
    .with {
      $0.jobs = jobs.map { $0.form() }
      $0.rest =
        switch rest {
        case .void: .void
        case .park: .park
        case .again: .again
        case .unregistered: .unregistered
        }
    }
  }
}

extension JobAssignment {
  init(_ form: WireAssignment) throws {
    guard form.hasJob else { throw WireContentError("an assignment names no job") }
    self.init(
      job: JobID(form.job.uuid), type: try JobTypeID(form.type), attempt: Int(form.attempt),
      retries: Int(form.retries), maxRetries: Int(form.maxRetries), tenant: form.tenant.uuid,
      user: form.user.uuid, params: JSONPayload(bytes: form.params),
      timeout: .milliseconds(form.timeout),
      snapshot: form.hasSnapshot ? JSONPayload(bytes: form.snapshot) : nil,
      context: form.context, createdAt: Timestamp(milliseconds: form.createdAt),
      scheduledAt: Timestamp(milliseconds: form.scheduledAt))
  }

  func form() -> WireAssignment {
    .with {
      $0.job = WireID(job.uuid)
      $0.type = type.description
      $0.attempt = Int64(attempt)
      $0.retries = Int64(retries)
      $0.maxRetries = Int64(maxRetries)
      $0.tenant = WireID(tenant)
      $0.user = WireID(user)
      $0.params = params.bytes
      $0.timeout = timeoutMilliseconds
      if let snapshot { $0.snapshot = snapshot.bytes }
      if !context.isEmpty { $0.context = context }
      $0.createdAt = createdAt.milliseconds
      $0.scheduledAt = scheduledAt.milliseconds
    }
  }
}

extension WorkerAnnouncement {
  fileprivate func checked() throws -> WorkerAnnouncement {
    _ = try WorkerID(onWire: worker.rawValue)
    return self
  }
}

extension WorkerMessage {
  init(_ form: WireFromWorker) throws {
    self =
      switch form.kind {
      case .announcement(let json):
        .announcement(try WireCoding.json(WorkerAnnouncement.self, json).checked())
      case .reports(let reports): .reports(try reports.reports.map { try JobReport($0) })
      case .farewell(let worker): .farewell(try WorkerID(onWire: worker))
      case .mark(let mark): .mark(mark.uuid)
      case nil: throw WireContentError("it is of no kind that is known")
      }
  }

  func form() throws -> WireFromWorker {
    var form = WireFromWorker()
    form.kind =
      switch self {
      case .announcement(let announcement): .announcement(try WireCoding.json(announcement))
      case .reports(let reports):
        .reports(try WireReports.with { $0.reports = try reports.map { try $0.form() } })
      case .farewell(let worker): .farewell(worker.rawValue)
      case .mark(let mark): .mark(WireID(mark))
      }
    return form
  }
}

extension JobReport {
  init(_ form: WireReport) throws {
    guard form.hasJob else { throw WireContentError("a report names no job") }
    let content: Content =
      switch form.content {
      case .progress(let progress):
        .progress(try JobProgress(progress))
      case .snapshot(let snapshot): .snapshot(JSONPayload(bytes: snapshot))
      case .policy(let policy):
        .policy(
          try WireCoding.json(RetryPolicy.self, policy.retry),
          timeout: policy.hasTimeout ? policy.timeout : nil)
      case .ended(let outcome): .ended(try JobOutcome(outcome))
      case .log(let log): .log(try JobLogSet(log))
      case nil: throw WireContentError("a report of job \(form.job.uuid) tells nothing")
      }
    self.init(
      job: JobID(form.job.uuid), attempt: Int(form.attempt),
      worker: try WorkerID(onWire: form.worker), content: content)
  }

  func form() throws -> WireReport {
    var form = WireReport()
    form.job = WireID(job.uuid)
    form.attempt = Int64(attempt)
    form.worker = worker.rawValue
    form.content =
      switch content {
      case .progress(let progress):
        .progress(
          .with {
            if let percent = progress.percent { $0.percent = percent }
            if let details = progress.details { $0.details = details }
          })
      case .snapshot(let snapshot): .snapshot(snapshot.bytes)
      case .policy(let retry, let timeout):
        .policy(
          try .with {
            $0.retry = try WireCoding.json(retry)
            if let timeout { $0.timeout = timeout }
          })
      case .ended(let outcome): .ended(outcome.form())
      case .log(let set): .log(set.form())
      }
    return form
  }
}

extension JobProgress {
  fileprivate init(_ form: WireProgress) throws {
    guard !form.hasPercent || form.percent >= 0 else {
      throw WireContentError("\(form.percent) is no progress; a progress is 0 to 100")
    }
    self.init(form.hasPercent ? form.percent : nil, form.hasDetails ? form.details : nil)
  }
}

extension JobLogSet {
  /// More than any attempt logs, so that sums of them are numbers.
  private static let mostOfAttempt: Int64 = 1 << 40

  init(_ form: WireLog) throws {
    guard (1...Self.mostOfAttempt).contains(form.first), !form.lines.isEmpty,
      form.lines.count <= Self.mostLines
    else { throw WireContentError("\(form.lines.count) lines of a log, from \(form.first)") }
    self.init(
      first: form.first,
      lines: try form.lines.map { line in
        guard let level = Logger.Level(rawValue: line.level) else {
          throw WireContentError("a line of a log has the level '\(line.level.shortened(to: 100))'")
        }
        return Line(time: Timestamp(milliseconds: line.time), level: level, text: line.text)
      })
  }

  func form() -> WireLog {
    .with {
      $0.first = first
      $0.lines = lines.map { line in
        .with {
          $0.time = line.time.milliseconds
          $0.level = line.level.rawValue
          $0.text = line.text
        }
      }
    }
  }
}

extension JobOutcome {
  init(_ form: WireOutcome) throws {
    self =
      switch form.kind {
      case .completed(let end):
        .completed(result: end.hasResult ? JSONPayload(bytes: end.result) : nil)
      case .failed(let end): .failed(error: end.error, permanent: end.permanent)
      case .retryAfter(let end):
        .retryAfter(error: end.error, delay: .milliseconds(end.delay), counted: end.counted)
      case .snoozed(let end):
        .snoozed(.milliseconds(end.delay), reason: end.hasReason ? end.reason : nil)
      case .timedOut(let error): .timedOut(error: error)
      case .skipped(let reason): .skipped(reason: reason)
      case .canceled: .canceled
      case .returned: .returned
      case nil: throw WireContentError("an outcome is of no kind that is known")
      }
  }

  func form() -> WireOutcome {
    var form = WireOutcome()
    form.kind =
      switch self {
      case .completed(let result):
        .completed(.with { if let result { $0.result = result.bytes } })
      case .failed(let error, let permanent):
        .failed(
          .with {
            $0.error = error
            $0.permanent = permanent
          })
      case .retryAfter(let error, let delay, let counted):
        .retryAfter(
          .with {
            $0.error = error
            $0.delay = delay.milliseconds
            $0.counted = counted
          })
      case .snoozed(let delay, let reason):
        .snoozed(
          .with {
            $0.delay = delay.milliseconds
            if let reason { $0.reason = reason }
          })
      case .timedOut(let error): .timedOut(error)
      case .skipped(let reason): .skipped(reason)
      case .canceled: .canceled(WireNothing())
      case .returned: .returned(WireNothing())
      }
    return form
  }
}
