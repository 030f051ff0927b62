import Foundation
import Logging
import Testing
import WarrenTesting

/// What a test of a job is like, and what it sees.
@Suite("A job under test", .timeLimit(.minutes(1)))
struct JobTesterTests {
  let tester = JobTester()

  @Test("runs to its result, through the real lifecycle, without a second of waiting")
  func example() async throws {
    addJobs(to: tester, clock: tester.clock)
    let start = tester.now
    let run = try await tester.run(CountWords(text: "one two three"))
    #expect(run.status == .completed)
    #expect(run.result == CountWords.Result(total: 3))
    #expect(run.params.top == 3)
    #expect(run.attempts == 1)
    #expect(run.statuses == [.waiting, .running, .completed])
    #expect(run.progress.map(\.details) == ["one", "two", "three"])
    #expect(run.snapshots.map { String(decoding: $0.bytes, as: UTF8.self) } == ["1", "2", "3"])
    #expect(run.log.map(\.message) == ["counted", "counted", "counted"])
    #expect(run.log.first?.metadata["word"] == "one")
    #expect(run.job.progress == 100)
    // On the tester's clock; on the machine's it was nothing.
    #expect(run.duration == .seconds(3))
    #expect(tester.now == start + .seconds(3))
  }

  @Test("is run again after the delay of its policy, to the millisecond")
  func retries() async throws {
    let times = Recorder<Duration>()
    tester.on(CountWords.self) { [clock = tester.clock] _, _ in
      guard times.add(clock.now.elapsed) == 4 else { throw Failure(description: "not yet") }
      return CountWords.Result(total: 1)
    }
    let run = try await tester.run(CountWords(text: ""))
    #expect(run.status == .completed)
    #expect(run.attempts == 4)
    #expect(run.job.retries == 3)
    // Jitter is left out: each delay is the middle one.
    #expect(times.all == [.zero, .seconds(10), .seconds(30), .seconds(70)])
    #expect(run.transitions.filter { $0.to == .waiting }.count == 4)
  }

  @Test("that fails for good, or for the last time, says why")
  func failures() async throws {
    tester.on(CountWords.self) { params, job in
      switch params.text {
      case "permanent": throw PermanentFailure("no such file")
      case "skip": throw job.skip("nothing to do")
      default: throw Failure(description: "the disk is on fire")
      }
    }
    let failed = try await tester.run(CountWords(text: "a"))
    #expect(failed.status == .failed)
    #expect(failed.error == "the disk is on fire")
    #expect(failed.attempts == 4)
    #expect(failed.result == nil)
    let permanent = try await tester.run(CountWords(text: "permanent"))
    #expect(permanent.attempts == 1)
    #expect(permanent.error == "no such file")
    let skipped = try await tester.run(CountWords(text: "skip"))
    #expect(skipped.status == .skipped)
    #expect(skipped.details == "nothing to do")
  }

  @Test("that is scheduled for later waits for its time")
  func later() async throws {
    let seen = Recorder<String>()
    addJobs(to: tester, clock: tester.clock, seen: seen)
    let late = try await tester.schedule(CountWords(text: "late"), after: .seconds(3600))
    let soon = try await tester.schedule(CountWords(text: "soon"))
    #expect(try tester.scheduled(of: CountWords.self).map(\.delay) == [.seconds(3600), .zero])
    try await tester.drain()
    #expect(try tester.job(soon.id).status == .completed)
    #expect(try tester.job(late.id).status == .waiting)
    try await tester.advance(by: .seconds(3598))
    #expect(seen.all == ["soon"])
    try await tester.advance(by: .seconds(2))
    #expect(seen.all == ["soon", "late"])
    #expect(try tester.record(late.id).status == .completed)
    #expect(tester.jobs.map(\.id) == [late.id, soon.id])
  }

  @Test("is taken or refused as the server does it")
  func intake() async throws {
    addJobs(to: tester, clock: tester.clock)
    let type = CountWords.job.id
    let refused = await #expect(throws: JobTesterError.self) {
      try await tester.submit([JobSubmission(type: type, params: ["txt": "a"])])
    }
    #expect("\(try #require(refused))".contains("/txt"), "\(refused as Any)")
    let run = try await tester.run(JobSubmission(type: type, params: ["text": "a b"]))
    #expect(run.job.result == ["total": 2])
    #expect(run.job.params == ["text": "a b", "top": 3])

    let key = IdempotencyKey(uuid: UUID())
    let first = try await tester.schedule(CountWords(text: "a"), key: key)
    let again = try await tester.schedule(CountWords(text: "a"), key: key)
    // As in production, the key tells which job it is.
    #expect(try await again.job().id == first.id)
    let badContext = await #expect(throws: JobTesterError.self) {
      try await tester.schedule(
        CountWords(text: "a"), options: JobOptions(context: ["Request-ID": "17"]))
    }
    #expect("\(try #require(badContext))".contains("Request-ID"))
    #expect(try tester.scheduled(of: CountWords.self).count == 2)
    let conflict = await #expect(throws: JobTesterError.self) {
      try await tester.schedule(CountWords(text: "b"), key: key)
    }
    #expect("\(try #require(conflict))".contains("\(first.id)"))
  }

  @Test("schedules others, which a test looks at without running them")
  func children() async throws {
    tester.on(CountWords.self) { params, job in
      try await job.schedule(
        Notify(address: params.text), after: .seconds(5), options: JobOptions(priority: 7))
      return CountWords.Result(total: 0)
    }
    let run = try await tester.run(CountWords(text: "a@b"))
    let notices = try tester.scheduled(of: Notify.self)
    #expect(notices.map(\.params.address) == ["a@b"])
    #expect(notices.map(\.delay) == [.seconds(5)])
    #expect(notices.map(\.job.priority) == [7])
    #expect(notices.map(\.parent) == [run.id])
    #expect(run.children == notices.map(\.id))
    // Nobody here runs it: it waits, as it does where another service has the handler.
    try await tester.advance(by: .seconds(60))
    let notice = try #require(notices.first)
    #expect(try tester.job(notice.id).status == .waiting)
    let error = await #expect(throws: JobTesterError.self) {
      try await tester.finish(notice.id)
    }
    let text = "\(try #require(error))"
    #expect(text.contains("mail:notify") && text.contains("text:words"), "\(text)")
  }

  @Test("is waited for by whoever has its handle, in a test and in another job")
  func handles() async throws {
    addJobs(to: tester, clock: tester.clock)
    let job = try await tester.schedule(CountWords(text: "a b"), after: .seconds(60))
    var seen: [Double] = []
    for try await progress in job.progress { seen.append(progress.percent ?? -1) }
    #expect(seen.first == 0 && seen.last == 100)
    #expect(try await job.result() == CountWords.Result(total: 2))

    let totals = Recorder<Int>()
    tester.on(Notify.self) { params, job in
      let count = try await job.schedule(CountWords(text: params.address), after: .seconds(3600))
      totals.add(try await count.result().total)
    }
    let run = try await tester.run(Notify(address: "a b c"))
    #expect(totals.all == [3])
    // Its child was due after an hour, and took three seconds.
    #expect(run.duration == .seconds(3603))
    #expect(run.children.count == 1)
    let idle = try await tester.schedule(CountWords(text: "a"))
    try await idle.cancel(reason: "not needed")
    let error = await #expect(throws: JobNotCompleted.self) { try await idle.result() }
    #expect("\(try #require(error))".contains("not needed"))
  }

  struct Stamp: JobMiddleware {
    let seen: Recorder<String>

    func schedule(
      _ submissions: [JobSubmission], next: @Sendable ([JobSubmission]) async throws -> [JobReceipt]
    ) async throws -> [JobReceipt] {
      seen.add("scheduled \(submissions[0].type)")
      return try await next(submissions)
    }
    func execute(
      _ job: JobContext, of type: JobTypeDescription,
      next: @Sendable (JobContext) async throws -> JSONPayload?
    ) async throws -> JSONPayload? {
      seen.add("began \(type.id)")
      defer { seen.add("ended \(type.id)") }
      return try await next(job)
    }
  }

  @Test("has the service's middleware around it")
  func middleware() async throws {
    let seen = Recorder<String>()
    let tester = JobTester(middleware: [Stamp(seen: seen)])
    tester.on(Notify.self) { _, _ in }
    try await tester.run(Notify(address: "a"))
    #expect(seen.all == ["scheduled mail:notify", "began mail:notify", "ended mail:notify"])
  }

  @Test("is canceled where it waits, and where it runs")
  func cancellation() async throws {
    let gate = Gate()
    tester.on(CountWords.self) { _, _ in
      try await gate.pass()
      return CountWords.Result(total: 0)
    }
    let waiting = try await tester.schedule(CountWords(text: "a"), after: .seconds(1))
    #expect(try tester.cancel(waiting.id, reason: "not needed").status == .canceled)
    #expect(try tester.job(waiting.id).details == "not needed")

    let running = try await tester.schedule(CountWords(text: "b"))
    try await tester.advance(by: .zero)
    #expect(try tester.job(running.id).status == .running)
    #expect(try tester.cancel(running.id).status == .canceling)
    try await tester.drain()
    #expect(try tester.job(running.id).status == .canceled)
    #expect(throws: JobTesterError.self) { try tester.cancel(JobID()) }
  }

  @Test("is suspended, and resumed from its snapshot")
  func suspension() async throws {
    let seen = Recorder<String>()
    addJobs(to: tester, clock: tester.clock, seen: seen)
    let job = try await tester.schedule(CountWords(text: "a b c d"))
    try await tester.advance(by: .milliseconds(2500))
    #expect(try tester.job(job.id).progress == 50)
    #expect(try await tester.suspend(job.id).status == .suspending)
    try await tester.drain()
    #expect(try tester.job(job.id).status == .suspended)
    #expect(try await tester.suspend(job.id).status == .suspended)
    try await tester.advance(by: .seconds(3600))
    #expect(seen.all == ["a", "b"])
    #expect(try await tester.resume(job.id).status == .waiting)
    let run = try await tester.finish(job)
    #expect(seen.all == ["a", "b", "c", "d"])
    #expect(run.attempts == 2)
    let error = await #expect(throws: JobTesterError.self) { try await tester.suspend(job.id) }
    #expect("\(try #require(error))".contains("completed"))
    let notice = try await tester.schedule(Notify(address: "a"))
    await #expect(throws: JobTesterError.self) { try await tester.suspend(notice.id) }
  }

  struct Careful: JobHandler, JobPreparing, JobSuspending, JobResuming {
    let calls: Recorder<String>

    func run(_ params: CountWords, _ job: JobContext) async throws -> CountWords.Result {
      CountWords.Result(total: 0)
    }
    func prepare(_ params: CountWords, _ job: JobContext) async throws {
      calls.add("prepare")
      if params.text.isEmpty { throw Failure(description: "no text") }
    }
    func willSuspend(_ params: CountWords, _ job: JobContext) async throws {
      calls.add("suspend")
      if params.text == "important" { throw Failure(description: "not now") }
    }
    func willResume(_ params: CountWords, _ job: JobContext) async throws { calls.add("resume") }
  }

  @Test("has its handler asked while it is created, suspended and resumed")
  func callbacks() async throws {
    let calls = Recorder<String>()
    tester.on(Careful(calls: calls))
    let refused = await #expect(throws: JobTesterError.self) {
      try await tester.run(CountWords(text: ""))
    }
    #expect("\(try #require(refused))".contains("no text"))
    #expect(tester.jobs.isEmpty)
    let job = try await tester.schedule(CountWords(text: "a"), after: .seconds(1))
    #expect(try tester.record(job.id).statuses == [.initializing, .waiting])
    try await tester.suspend(job.id)
    try await tester.resume(job.id)
    #expect(try await tester.finish(job).status == .completed)
    #expect(calls.all == ["prepare", "prepare", "suspend", "resume", "prepare"])
    let important = try await tester.schedule(CountWords(text: "important"), after: .seconds(1))
    await #expect(throws: JobTesterError.self) { try await tester.suspend(important.id) }
    #expect(try tester.job(important.id).status == .waiting)
  }

  @Test("waits for another one by which it is locked")
  func locks() async throws {
    let gate = Gate()
    let other = try await tester.schedule(Notify(address: "a"))
    tester.on(Notify.self) { _, _ in try await gate.pass() }
    tester.on(CountWords.self) { _, job in
      try await job.setLocked(by: other.id)
      try await gate.pass()
      return CountWords.Result(total: 0)
    }
    let job = try await tester.schedule(CountWords(text: "a"))
    try await tester.advance(by: .zero)
    #expect(try tester.job(job.id).status == .locked)
    #expect(try tester.job(job.id).lockedBy == other.id)
    gate.open()
    try await tester.drain()
    #expect(try tester.job(job.id).status == .completed)
    #expect(try tester.job(other.id).status == .completed)
  }

  @Test("runs beside others, up to the capacity of its queue, the more urgent first")
  func capacity() async throws {
    let tester = JobTester(capacity: 2)
    let seen = Recorder<String>()
    tester.on(CountWords.self) { [clock = tester.clock] params, _ in
      seen.add(params.text)
      try await clock.sleep(for: .seconds(1))
      return CountWords.Result(total: 0)
    }
    for (text, priority) in [("a", 0), ("b", 0), ("c", 9), ("d", 1)] {
      try await tester.schedule(CountWords(text: text), options: JobOptions(priority: priority))
    }
    try await tester.advance(by: .milliseconds(500))
    #expect(Set(seen.all) == ["c", "d"])
    try await tester.drain()
    #expect(Set(seen.all.dropFirst(2)) == ["a", "b"])
    #expect(tester.clock.now.elapsed == .seconds(2))
  }

  @Test("reaches nothing outside of the process")
  func imports() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Sources/WarrenTesting").standardizedFileURL
    let files = try FileManager.default.contentsOfDirectory(
      at: folder, includingPropertiesForKeys: nil
    ).filter { $0.pathExtension == "swift" }
    #expect(files.count > 5)
    let imports = try files.flatMap {
      try String(contentsOf: $0, encoding: .utf8).split(separator: "\n")
    }
    .filter { $0.hasPrefix("import ") || $0.contains(" import ") }
    .compactMap { $0.split(separator: " ").last.map(String.init) }
    // Warren is for the author of the test, who has it with the tester.
    #expect(
      Set(imports) == [
        "Foundation", "JobMemoryStore", "JobWorker", "Jobs", "Logging", "Synchronization", "Warren",
      ])
  }

  @Test("passes its lines on to a logger, if one is given")
  func logging() async throws {
    let lines = Recorder<String>()
    struct Handler: LogHandler {
      let lines: Recorder<String>
      var logLevel = Logger.Level.info
      var metadata = Logger.Metadata()
      subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
      }
      func log(event: LogEvent) { lines.add("\(event.message)") }
    }
    let tester = JobTester(logger: Logger(label: "test") { _ in Handler(lines: lines) })
    tester.on(Notify.self) { _, job in
      job.logger.debug("quiet")
      job.logger.notice("loud")
    }
    let run = try await tester.run(Notify(address: "a"))
    #expect(run.log.map(\.message) == ["quiet", "loud"])
    #expect(lines.all == ["loud"])
  }
}
