import AMQP

/// How many jobs a second: published, asked for over HTTP, run, and both at once.
enum ThroughputPhases {
  /// From the first publication until the server has all jobs in its store.
  static func schedule(_ system: BenchSystem) async throws -> BenchReport.Phase {
    let settings = system.settings
    try await system.registerTypes()
    system.progress.step("warming up")
    try await system.store(settings.warmUp)
    system.progress.step("publishing \(settings.jobs) jobs")
    let (times, usages) = try await system.measured {
      let begin = MonotonicTime.now
      async let stored = system.stored.wait(
        for: settings.warmUp + settings.jobs, system.progress)
      let confirmed = try await system.publish(settings.jobs)
      // Whatever is stored was confirmed or will be at once.
      return (begin: begin, confirmed: confirmed, end: max(confirmed, try await stored.time))
    }
    var report = BenchReport.Phase(.schedule)
    report.rates = [
      .init(
        name: "confirmed by the broker", jobs: settings.jobs,
        seconds: times.confirmed.seconds(since: times.begin)),
      .init(
        name: "stored", jobs: settings.jobs, seconds: times.end.seconds(since: times.begin)),
    ]
    report.add(usages, jobs: settings.jobs)
    return report
  }

  /// What is answered with 202 is stored.
  static func http(_ system: BenchSystem) async throws -> BenchReport.Phase {
    let settings = system.settings
    try await system.registerTypes()
    system.progress.step("asking for \(settings.jobs) jobs, \(settings.connections) at a time")
    let load = HTTPLoad(
      port: system.port, tenant: system.tenant, connections: settings.connections)
    let (answer, usages) = try await system.measured {
      try await load.run(warmUp: settings.warmUp, count: settings.jobs, system.progress)
    }
    let outcome = answer.outcome
    let refused = outcome.refusals.values.reduce(0, +)
    guard let end = outcome.end, outcome.latencies.count > 0 else {
      throw BenchError.unexpected("the server refused every job: \(outcome.refusals)")
    }
    let stored = try await system.stored.count()
    guard stored == settings.warmUp + settings.jobs - refused else {
      throw BenchError.unexpected(
        "\(settings.warmUp + settings.jobs - refused) jobs were accepted, and \(stored) are stored")
    }
    var report = BenchReport.Phase(.http)
    report.rates = [
      .init(
        name: "accepted", jobs: outcome.latencies.count,
        seconds: end.seconds(since: answer.begin))
    ]
    report.latencies = [.init("POST /jobs", outcome.latencies)]
    report.figures = [
      .init("connections", Double(settings.connections)), .init("refused", Double(refused)),
    ]
    report.add(usages, jobs: settings.warmUp + settings.jobs)
    return report
  }

  /// A worker that finds a full queue.
  static func process(_ system: BenchSystem) async throws -> BenchReport.Phase {
    try await system.registerTypes()
    var report = BenchReport.Phase(.process)
    try await processing(system, into: &report)
    return report
  }

  /// Fills the queue while no worker is there, starts one, and waits for the end of the last job.
  ///
  /// The clock starts with the completion of the warm-up's jobs: the start of the worker, and of its first batches, are
  /// told of separately.
  ///
  /// - Parameter place: what kind of store it is, where there is more than one.
  /// - Returns: the rate.
  @discardableResult
  static func processing(
    _ system: BenchSystem, over place: String? = nil, into report: inout BenchReport.Phase
  ) async throws -> BenchReport.Rate {
    let settings = system.settings
    let name = "completed" + (place.map { ", \($0)" } ?? "")
    let before = try await system.completed.count()
    let total = before + settings.warmUp + settings.jobs
    system.progress.step("filling the queue with \(settings.warmUp + settings.jobs) jobs")
    try await system.store(settings.warmUp + settings.jobs)
    try await untilTicketsAreThere(settings.warmUp + settings.jobs, system)
    system.progress.step("starting the worker")
    let (times, usages) = try await system.measured {
      let start = MonotonicTime.now
      try await system.startWorker()
      let first = try await system.completed.wait(
        for: before + max(1, settings.warmUp), system.progress)
      let last = try await system.completed.wait(for: total, system.progress)
      return (start: start, first: first, last: last)
    }
    // So few that all were done at the second look: then with the worker's start.
    let isRamped = times.first.count < total
    let rate = BenchReport.Rate(
      name: name, jobs: total - (isRamped ? times.first.count : before),
      seconds: times.last.time.seconds(since: isRamped ? times.first.time : times.start))
    report.rates.append(rate)
    report.figures += [
      .init("\(name): start and ramp", times.first.time.seconds(since: times.start), "s"),
      .init("\(name): jobs in the ramp", Double(times.first.count - before)),
    ]
    report.add(usages, jobs: settings.warmUp + settings.jobs, while: place)
    return rate
  }

  /// A queue that is full from the beginning is what is to be measured, not how fast it is filled. How many tickets a
  /// server keeps there is its own affair: it is full when there are as many as jobs, or no more come.
  private static func untilTicketsAreThere(_ jobs: Int, _ system: BenchSystem) async throws {
    let queue = "\(system.site.prefix).\(BenchJobs.queueName)"
    try await BenchBroker(system.site.broker).connected { connection in
      var last: UInt32 = 0
      var unchanged = 0
      while unchanged < 8 {
        let messages = try await connection.inspect(queue: queue).messages
        if messages >= jobs { return }
        unchanged = messages == last ? unchanged + 1 : 0
        last = messages
        try await Task.sleep(for: .milliseconds(250))
      }
    }
  }

  /// A producer and a worker at once, from the first publication to the last completion.
  static func together(_ system: BenchSystem) async throws -> BenchReport.Phase {
    let settings = system.settings
    try await system.startKnownWorker()
    system.progress.step("warming up")
    _ = try await system.publish(settings.warmUp)
    _ = try await system.completed.wait(for: settings.warmUp, system.progress)
    system.progress.step("publishing and running \(settings.jobs) jobs")
    let (times, usages) = try await system.measured {
      let begin = MonotonicTime.now
      async let completed = system.completed.wait(
        for: settings.warmUp + settings.jobs, system.progress)
      let confirmed = try await system.publish(settings.jobs)
      return (begin: begin, confirmed: confirmed, end: try await completed.time)
    }
    var report = BenchReport.Phase(.together)
    report.rates = [
      .init(
        name: "confirmed by the broker", jobs: settings.jobs,
        seconds: times.confirmed.seconds(since: times.begin)),
      .init(
        name: "completed", jobs: settings.jobs, seconds: times.end.seconds(since: times.begin)),
    ]
    report.add(usages, jobs: settings.jobs)
    return report
  }
}
