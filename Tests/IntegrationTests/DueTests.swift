import Foundation
import Jobs
import TestSupport
import Testing
import Warren

extension SystemTests {
  @Suite("Jobs for later")
  struct DueTests {
    @Test(
      "10,000 jobs that become due at the same moment all start, none early, and the API answers meanwhile"
    )
    func sameMoment() async throws {
      try await WarrenSystem.run(TestJobs.swift, workers: 0) { system in
        try await system.startLifeWorker()
        let count = 10_000
        let due = Timestamp.now + .seconds(60)
        try await JobService.connect(broker: system.broker.url, prefix: system.prefix) {
          producer in
          let type = try JobTypeID("life:stamp")
          for _ in 0..<(count / 1000) {
            _ = try await producer.submit(
              (0..<1000).map { _ in JobSubmission(type: type, scheduledAt: due) })
          }
        }
        try await eventually("all are stored") {
          try await system.api.get("/jobs?page_size=1")["total"] == .integer(Int64(count))
        }
        #expect(Timestamp.now < due, "they were stored in time")
        var slowest = Duration.zero
        try await eventually(within: .seconds(240), "all have completed") {
          let start = ContinuousClock.now
          let total = try await system.api.get("/jobs?status=completed&page_size=1")["total"]
          slowest = max(slowest, ContinuousClock.now - start)
          return total == .integer(Int64(count))
        }
        #expect(slowest < .seconds(20))
        let starts = system.lines(of: "trace").compactMap { Int64($0.split(separator: " ")[1]) }
        #expect(starts.count == count)
        #expect(starts.allSatisfy { $0 >= due.milliseconds })
        let first = try #require(starts.min())
        #expect(first - due.milliseconds < 10_000)
      }
    }
  }
}
