import Foundation
import JobStore
import Jobs

/// The rows of a big store, each made from its number alone: whoever looks one up makes its id again.
struct BigStoreRows: Sendable {
  let count: Int
  /// When the first was accepted; the last is of now.
  private let begin: Timestamp

  /// Over how long the jobs were accepted.
  private static let span: Int64 = 30 * 86_400_000
  private static let batch = 1_000

  init(count: Int) {
    self.count = count
    begin = Timestamp(milliseconds: Timestamp.now.milliseconds - Self.span)
  }

  /// When a job was accepted.
  private func time(_ index: Int) -> Timestamp {
    Timestamp(milliseconds: begin.milliseconds + Int64(index) * Self.span / Int64(max(1, count)))
  }

  /// Of version 7, as the server makes them.
  func id(_ index: Int) -> JobID {
    JobID(Self.uuid(random: UInt64(index), at: time(index)))
  }

  /// At random, as clients make them.
  func key(_ index: Int) -> UUID {
    Self.uuid(random: UInt64(index) ^ 0xBE4C_0000_0000_0000, at: nil)
  }

  /// Bits that depend on a number, in no visible way.
  private static func uuid(random seed: UInt64, at time: Timestamp?) -> UUID {
    var state = seed
    // SplitMix64 (Steele, Lea, Flood, 2014).
    func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var value = state
      value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
      value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
      return value ^ (value >> 31)
    }
    var high = next()
    if let time { high = UInt64(clamping: time.milliseconds) << 16 | high & 0xFFFF }
    high = high & ~0xF000 | (time == nil ? 0x4000 : 0x7000)
    let low = next() & ~(0b11 << 62) | 0b10 << 62
    func byte(_ value: UInt64, _ index: UInt64) -> UInt8 {
      UInt8(truncatingIfNeeded: value >> (56 - index * 8))
    }
    return UUID(
      uuid: (
        byte(high, 0), byte(high, 1), byte(high, 2), byte(high, 3), byte(high, 4), byte(high, 5),
        byte(high, 6), byte(high, 7), byte(low, 0), byte(low, 1), byte(low, 2), byte(low, 3),
        byte(low, 4), byte(low, 5), byte(low, 6), byte(low, 7)
      ))
  }

  /// Of a hundred, 98 have completed, one has failed, and one waits for tomorrow.
  private func job(_ index: Int, tenant: UUID) throws -> Job {
    let time = time(index)
    let isForLater = index % 100 == 50
    var job = Job(
      id: id(index), tenantID: tenant, userID: .zero, idempotencyKey: key(index),
      type: try BenchJobs.noop(), queue: try JobQueueName(BenchJobs.queueName), params: [:],
      timeout: .zero, retry: .never,
      scheduledAt: isForLater ? Timestamp.now + .seconds(86_400) : time, createdAt: time)
    guard !isForLater else { return job }
    job.attempt = 1
    job.worker = WorkerID(rawValue: "bench")
    job.startedAt = time
    job.attemptStartedAt = time
    if index % 100 == 99 {
      job.status = .failed
      job.error = "one of the hundred that failed"
    } else {
      job.status = .completed
      job.progress = 100
    }
    return job
  }

  /// Makes a store with these rows, in this process: no server has the file yet. By HTTP it would take hours.
  func fill(_ path: String, tenant: UUID, _ progress: BenchProgress) async throws {
    progress.step("filling a store with \(count) rows")
    let store = try SQLiteStore(path: path, logger: BenchBroker.quiet) { _ in }
    do {
      try await insert(into: store, tenant: tenant, progress)
    } catch {
      try store.close()
      throw error
    }
    try store.close()
  }

  /// One batch is made while another is written.
  private func insert(
    into store: SQLiteStore, tenant: UUID, _ progress: BenchProgress
  ) async throws {
    try await withThrowingTaskGroup(of: Int.self) { group in
      var open = 0
      var done = 0
      var told = (count: 0, time: MonotonicTime.now)
      for first in stride(from: 0, to: count, by: Self.batch) {
        if open == 3, let finished = try await group.next() {
          open -= 1
          done += finished
        }
        let indices = first..<min(count, first + Self.batch)
        group.addTask {
          try Task.checkCancellation()
          let jobs = try indices.map { try job($0, tenant: tenant) }
          _ = try await store.insert(jobs.map { NewJob($0, submitted: $0.params) }, at: .now)
          return jobs.count
        }
        open += 1
        let seconds = MonotonicTime.now.seconds(since: told.time)
        guard seconds >= 1 else { continue }
        progress.count(
          "rows", done, of: count, perSecond: Double(done - told.count) / seconds)
        told = (done, .now)
      }
      try await group.waitForAll()
    }
  }
}
