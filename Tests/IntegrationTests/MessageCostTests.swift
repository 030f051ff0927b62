import Foundation
import Jobs
import TestSupport
import Testing
import Warren

extension SystemTests {
  @Suite("What a job costs the broker")
  struct MessageCostTests {
    private static let jobs = 200

    /// Nothing but these jobs and one worker: the counts are of all that the broker does.
    @Test("a job takes no more messages and acknowledgements than its limits")
    func messages() async throws {
      try await WarrenSystem.run(TestJobs.swift, workers: 0, ownBroker: true) { system in
        // Once, so that the server knows the job type.
        let first = try await system.startLifeWorker()
        try await first.send(SIGTERM)
        #expect(try await first.exitCode() == 0)

        let before = try await Self.counters(of: system.broker)
        let stamp = try JobTypeID("life:stamp")
        let broker = system.broker.url
        _ = try await JobService.connect(broker: broker, prefix: system.prefix) { producer in
          try await producer.submit(
            (0..<Self.jobs).map { _ in JobSubmission(type: stamp, params: [:]) })
        }
        try await eventually("all wait, and have their tickets") {
          try await Self.messages(in: "jobs.download", of: system.broker) == Self.jobs
        }
        try await system.startLifeWorker()
        try await eventually("all are completed") {
          try await system.api.get("/jobs?status=completed&page_size=1")["total"]
            == .integer(Int64(Self.jobs))
        }
        try await eventually("all is acknowledged") {
          for queue in ["jobs.submit", "jobs.download", "jobs.claims", "jobs.reports"] {
            guard try await Self.messages(in: queue, of: system.broker) == 0 else { return false }
          }
          return true
        }
        let figures = Self.figures(before, try await Self.counters(of: system.broker))
        #expect(Set(figures.keys) == Set(CostLimits.messages.map(\.name)))
        for limit in CostLimits.messages {
          let figure = try #require(figures[limit.name])
          print("\(limit): \((figure * 1000).rounded() / 1000)")
          #expect(
            figure <= limit.limit,
            "\(limit) is \(figure), and was \(limit.measured): see What a job costs in docs/testing.md"
          )
          // A counter that has another name in some version of the broker would be within any limit.
          #expect(figure > 0, "\(limit)")
        }
      }
    }

    /// How many messages a job has taken.
    private static func figures(
      _ before: [String: Int], _ after: [String: Int]
    ) -> [String: Double] {
      func count(_ counter: String) -> Double {
        Double((after[counter] ?? 0) - (before[counter] ?? 0)) / Double(jobs)
      }
      // Events that nobody wants; how many depends on how long it all takes.
      let returned = count("messages_unroutable_returned_total")
      return [
        "messages.published": count("messages_received_total") - returned,
        "messages.delivered": count("messages_delivered_total"),
        "messages.acknowledged": count("messages_acknowledged_total"),
        "messages.returned": returned,
      ]
    }

    /// What the broker has counted since its start, exactly; the management API shows samples.
    private static func counters(of broker: ThrowawayBroker) async throws -> [String: Int] {
      let sums = """
        maps:fold(fun(_, Group, All) -> maps:fold(fun(Name, Count, Sums) -> \
        maps:update_with(Name, fun(Sum) -> Sum + Count end, Count, Sums) end, All, Group) end, \
        #{}, rabbit_global_counters:overview()).
        """
      let output = try await broker.control("eval", sums)
      return Dictionary(
        output.matches(of: /(\w+)\s*=>\s*(\d+)/).map { (String($0.1), Int($0.2) ?? 0) },
        uniquingKeysWith: +)
    }

    /// How many messages a queue has, delivered or not.
    private static func messages(in queue: String, of broker: ThrowawayBroker) async throws -> Int?
    {
      let output = try await broker.control("list_queues", "--no-table-headers", "name", "messages")
      for line in output.split(separator: "\n") {
        let words = line.split(separator: "\t")
        if words.count == 2, words[0] == queue { return Int(words[1]) }
      }
      return nil
    }
  }
}
