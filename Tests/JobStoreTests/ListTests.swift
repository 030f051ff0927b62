import Foundation
import JobStore
import Jobs
import Testing

/// Lists against a naive answer from the same jobs in memory.
@Suite(.timeLimit(.minutes(3))) struct ListTests {
  private static let tenants = (0..<3).map { UUID(number: UInt8($0)) }
  private static let types = ["files:checksum", "files:words", "media:encode"]
  private static let queues: [JobQueueName] = [.compute, .download]

  private func randomJobs(_ count: Int, _ random: inout SeededGenerator) throws -> [Job] {
    try (0..<count).map { _ in
      // Few different times, so that many jobs are equal in them.
      let moments = (0..<4).map { _ in Timestamp.start + Int64.random(in: 0..<20, using: &random) }
      let started = Bool.random(using: &random) ? moments[2] : nil
      let status = try #require(JobStatus.allCases.randomElement(using: &random))
      return try sampleJob(
        tenant: try #require(Self.tenants.randomElement(using: &random)),
        type: try #require(Self.types.randomElement(using: &random)),
        queue: try #require(Self.queues.randomElement(using: &random)),
        scheduledAt: moments[0], createdAt: moments[1]
      ).with {
        $0.status = status
        $0.startedAt = started
        $0.updatedAt = moments[3]
      }
    }
  }

  private func randomQuery(_ random: inout SeededGenerator) throws -> JobQuery {
    let statuses = JobStatus.allCases.filter { _ in Bool.random(using: &random) }
    return JobQuery(
      tenant: Bool.random(using: &random) ? Self.tenants.randomElement(using: &random) : nil,
      statuses: Bool.random(using: &random) ? Set(statuses) : [],
      type: Int.random(in: 0..<3, using: &random) == 0
        ? try JobTypeID(#require(Self.types.randomElement(using: &random))) : nil,
      queue: Int.random(in: 0..<3, using: &random) == 0
        ? Self.queues.randomElement(using: &random) : nil,
      order: JobOrder(
        try #require(JobOrder.Field.allCases.randomElement(using: &random)),
        descending: Bool.random(using: &random)),
      page: Int.random(in: 1...4, using: &random),
      pageSize: Int.random(in: 1...60, using: &random))
  }

  /// - Parameter jobs: in the order in which they came into the store.
  private func naive(_ query: JobQuery, _ jobs: [Job]) -> JobPage {
    func isBefore(_ left: Job, _ right: Job) -> Bool {
      switch query.order.field {
      case .id: left.id < right.id
      case .createdAt: left.createdAt < right.createdAt
      case .scheduledAt: left.scheduledAt < right.scheduledAt
      case .updatedAt: left.updatedAt < right.updatedAt
      case .startedAt:
        (left.startedAt?.milliseconds ?? .min) < (right.startedAt?.milliseconds ?? .min)
      case .status:
        (left.status.rawValue, left.scheduledAt) < (right.status.rawValue, right.scheduledAt)
      case .type: left.type.description < right.type.description
      case .queue: left.queue < right.queue
      }
    }
    var found = jobs.enumerated().filter { _, job in
      (query.tenant == nil || job.tenantID == query.tenant)
        && (query.statuses.isEmpty || query.statuses.contains(job.status))
        && (query.type == nil || job.type == query.type)
        && (query.queue == nil || job.queue == query.queue)
    }
    found.sort { left, right in
      if isBefore(left.element, right.element) { return true }
      if isBefore(right.element, left.element) { return false }
      return left.offset < right.offset
    }
    if query.order.isDescending { found.reverse() }
    let page = found.dropFirst((query.page - 1) * query.pageSize).prefix(query.pageSize)
    return JobPage(
      jobs: page.map(\.element), total: found.count, page: query.page, pageSize: query.pageSize)
  }

  @Test func everyListIsWhatANaiveOneWouldBe() async throws {
    try await withStore { fixture in
      var random = SeededGenerator(seed: 7)
      var jobs = try randomJobs(400, &random)
      _ = try await fixture.store.insert(jobs)
      // Once as inserted, once after transitions and deletions.
      for round in 0..<2 {
        for _ in 0..<250 {
          let query = try randomQuery(&random)
          let page = try await fixture.store.list(query)
          let expected = naive(query, jobs)
          #expect(page.jobs.map(\.id) == expected.jobs.map(\.id), "\(query)")
          #expect(page == expected, "\(query)")
        }
        guard round == 0 else { break }
        let others = try randomJobs(jobs.count, &random)
        let changed = zip(jobs, others).map { job, other in
          job.with {
            $0.status = other.status
            $0.scheduledAt = other.scheduledAt
            $0.updatedAt = other.updatedAt
            $0.startedAt = other.startedAt
          }
        }
        _ = try await fixture.store.update(jobs.map(\.id)) { index, job in job = changed[index] }
        jobs = changed
        for job in jobs.prefix(150) where job.status.isDeletable {
          _ = try await fixture.store.delete(job.id)
          jobs.removeAll { $0.id == job.id }
        }
      }
    }
  }

  @Test func pagesTogetherAreTheWhole() async throws {
    try await withStore { fixture in
      let jobs = try (0..<95).map { _ in try sampleJob() }
      _ = try await fixture.store.insert(jobs)
      var found: [Job] = []
      for page in 1...4 {
        let part = try await fixture.store.list(JobQuery(page: page, pageSize: 30))
        #expect(part.total == 95)
        found += part.jobs
      }
      #expect(found == jobs.reversed())
      for page in [5, .max] {
        let past = try await fixture.store.list(JobQuery(page: page, pageSize: 30))
        #expect(past.jobs.isEmpty && past.total == 95 && past.page == page)
      }
    }
  }

  @Test func numbersOutOfRangeAreTakenToTheNearest() {
    let query = JobQuery(page: 0, pageSize: 0)
    #expect(query.page == 1 && query.pageSize == 1)
    #expect(JobQuery(pageSize: 1001).pageSize == 1000)
    #expect(JobQuery().pageSize == 50)
    #expect(JobQuery().order == JobOrder("-scheduled_at"))
  }

  @Test func ordersAreReadAndWrittenAsTheAPIDoes() {
    for field in JobOrder.Field.allCases {
      #expect(JobOrder(field.rawValue) == JobOrder(field))
      #expect(JobOrder("-" + field.rawValue) == JobOrder(field, descending: true))
      #expect(JobOrder(field, descending: true).description == "-" + field.rawValue)
    }
    for text in ["", "-", "--id", "+id", "ID", "params", "id ", "id,status", "number"] {
      #expect(JobOrder(text) == nil, "\(text)")
    }
    #expect(JobOrder.fieldNames.contains("scheduled_at"))
  }

  @Test func jobsAreFoundByTheirIDs() async throws {
    try await withStore { fixture in
      let jobs = try (0..<3).map { _ in try sampleJob() }
      _ = try await fixture.store.insert(jobs)
      let found = try await fixture.store.jobs([jobs[0].id, JobID(), jobs[2].id, jobs[0].id])
      #expect(found == [jobs[0].id: jobs[0], jobs[2].id: jobs[2]])
      #expect(try await fixture.store.jobs([]).isEmpty)
    }
  }
}
