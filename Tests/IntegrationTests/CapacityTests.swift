import Testing

extension SystemTests {
  @Suite("Capacity")
  struct CapacityTests {
    @Test("two workers share a queue, and each runs as many jobs at once as its capacity, no more")
    func capacity() async throws {
      try await WarrenSystem.run(workers: 2) { system in
        var ids: [String] = []
        for _ in 0..<40 { ids.append(try await system.api.schedule("files:hold")) }
        for id in ids { #expect(try await system.api.wait(id).text("status") == "completed") }
        let lines = system.lines(of: "slots").map { $0.split(separator: " ") }
        #expect(lines.count == 80)
        for worker in ["worker-0", "worker-1"] {
          var (running, most) = (0, 0)
          for line in lines where line[1] == worker {
            running += line[0] == "+" ? 1 : -1
            most = max(most, running)
          }
          #expect(most == 2, "\(worker)")
        }
      }
    }
  }
}
