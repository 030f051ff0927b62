#if DEBUG
  import AMQP
  import JobTransport
  import Jobs

  /// What the messages of a job cost: each is written and read once.
  enum CodingCost {
    private static let rounds = 5

    static func measure(into figures: inout [String: Double]) throws {
      let type = try Work.type()
      let submission = JobSubmission(type: type, params: Work.params)
      figures["coding.job-message.allocations"] = try perJob {
        for _ in 0..<Work.batch {
          _ = try JobMessage.submission(JobMessage.message(submission))
        }
      }
      let assignments = (0..<Work.batch).map { _ in
        JobAssignment(
          job: JobID(), type: type, attempt: 1, params: Work.payload, timeout: .seconds(60))
      }
      let request = try Work.claim(Work.batch)
      let answer = ClaimAnswer(jobs: assignments, rest: .void)
      figures["coding.claim.allocations"] = try perJob {
        _ = try WireCoding.claims(WireCoding.message([request]))
        _ = try WireCoding.answers(WireCoding.message([answer]))
      }
      let reports = WorkerMessage.reports(assignments.map(Work.completion))
      figures["coding.report.allocations"] = try perJob {
        _ = try WireCoding.received(WireCoding.message(reports))
      }
    }

    private static func perJob(_ body: () throws -> Void) rethrows -> Double {
      var allocations = Allocations()
      for _ in 0..<rounds { try allocations.count(body) }
      return allocations.perJob()
    }
  }
#endif
