import Foundation
import Jobs
import NIOHTTP1
import Testing

extension SystemTests {
  @Suite("Quotas of tenants")
  struct QuotaTests {
    private static let busy = "5f0c3a52-6f0e-4d0b-9a57-2f3b3f0f8d11"
    private static let other = "9e3f8f5e-7f4c-4d53-8a5a-0c5b8f6d2a34"
    private static let configuration = """
      queues:
        compute: {capacity: 4}
      groups:
        files: {queue: compute}
      types:
        - name: hold
          group: files
          command: [sh, -c, 'echo "+ $WARREN_TENANT_ID" >> "$FOLDER/runs"; sleep 0.1; echo "- $WARREN_TENANT_ID" >> "$FOLDER/runs"']
          environment: {FOLDER: "%FOLDER%"}
      quotas:
        tenants:
          \(busy): {running: 2, waiting: 60}
      """

    private func schedule(
      _ count: Int, of tenant: String, _ system: WarrenSystem
    ) async throws -> [JSONValue] {
      let batch = JSONValue.array(
        Array(repeating: ["type": "files:hold", "params": [:]], count: count))
      let answer = try await system.api.send(
        .POST, "/jobs/batch", Array(batch.text.utf8), headers: [("X-Tenant-ID", tenant)])
      guard case .array(let results) = answer.body else {
        throw API.Refused(answer: answer)
      }
      return results
    }

    private func ended(_ tenant: String, _ system: WarrenSystem) async throws -> Int {
      let answer = try await system.api.send(
        .GET, "/jobs?status=completed", headers: [("X-Tenant-ID", tenant)])
      guard case .integer(let total) = answer["total"] else { return 0 }
      return Int(total)
    }

    @Test("one that runs as many jobs as it may is held back, and nobody else; all end")
    func running() async throws {
      try await WarrenSystem.run(Self.configuration, workers: 2) { system in
        let backlog = try await schedule(70, of: Self.busy, system)
        let refused = backlog.filter { $0.text.contains("quota-exceeded") }
        #expect(refused.count >= 1 && refused.count <= 10, "\(refused.count)")
        let taken = backlog.count - refused.count
        #expect(try await schedule(12, of: Self.other, system).count == 12)
        try await eventually("the other tenant's jobs have ended") {
          try await ended(Self.other, system) == 12
        }
        // With 2 of 8 slots the others' would have ended long before these 12.
        #expect(try await ended(Self.busy, system) < taken)
        try await eventually("all have ended") {
          try await ended(Self.busy, system) == taken
        }
        var (running, most) = (0, 0)
        for line in system.lines(of: "runs") where line.hasSuffix(Self.busy) {
          running += line.hasPrefix("+") ? 1 : -1
          most = max(most, running)
        }
        #expect(running == 0)
        #expect(most == 2)
      }
    }
  }
}
