import Foundation
import TestSupport
import Testing

extension SystemTests {
  /// `docs/openapi.yaml` against a server, a worker and a broker, by programs that know nothing of Warren but the document.
  @Suite("The HTTP contract")
  struct HTTPContractTests {
    /// How long schemathesis asks, in all: 90 s, unless `WARREN_CONTRACT_SECONDS` says otherwise.
    private static let seconds =
      ProcessInfo.processInfo.environment["WARREN_CONTRACT_SECONDS"].flatMap(Int.init) ?? 90
    private static let seed =
      ProcessInfo.processInfo.environment["WARREN_CONTRACT_SEED"] ?? "4711"

    @Test("the document is one of OpenAPI 3.1")
    func valid() async throws {
      let document = WarrenSystem.root.appending(path: "docs/openapi.yaml").path
      let output = try await Tool.run(
        try ContractTools.program("openapi-spec-validator"), ["--schema", "3.1", document])
      #expect(output.hasSuffix("OK\n"))
    }

    @Test("holds for each operation by itself: examples, bounds, and what is made at random")
    func operations() async throws {
      let output = try await schemathesis(["--phases", "examples,coverage,fuzzing"])
      let document = try String(
        contentsOf: WarrenSystem.root.appending(path: "docs/openapi.yaml"), encoding: .utf8)
      let operations = document.matches(of: /operationId: [a-zA-Z]+\n/).count
      // Streams have no end to wait for: schemathesis.toml leaves them out.
      let streams = document.matches(of: /text\/event-stream:\n/).count
      // What was not asked has not been found right.
      #expect(output.contains("Tested: \(operations - streams)\n"), "\(output)")
    }

    /// Of jobs alone: schemathesis takes the headers of tenant and user for things that somebody has to make first, and begins
    /// with a job only where nothing else is to begin with.
    @Test(
      "holds along the links of jobs: what is scheduled is looked at, waited for, canceled, deleted"
    )
    func links() async throws {
      let output = try await schemathesis([
        "--phases", "stateful", "--include-path-regex", "^/jobs",
      ])
      let links = output.firstMatch(of: /API Links: +([0-9]+) covered/).flatMap { Int($0.1) } ?? 0
      // Each of those of a new job, at the least.
      #expect(links >= 8, "\(output)")
    }

    /// - Returns: what it says when all has held.
    private func schemathesis(_ arguments: [String]) async throws -> String {
      let program = try ContractTools.program("schemathesis")
      // From the folder of its configuration: the hooks are looked for there.
      let folder = WarrenSystem.root.appending(path: "Tests/Contracts")
      let configuration = try String(
        contentsOf: folder.appending(path: "warren.yaml"), encoding: .utf8)
      var said = ""
      try await WarrenSystem.run(configuration) { system in
        let (code, output) = try await system.run(
          "/usr/bin/env",
          [
            "--chdir=\(folder.path)", program, "--config-file", "schemathesis.toml", "run",
            "../../docs/openapi.yaml", "--url", system.api.base, "--checks", "all", "--seed",
            Self.seed,
            "--max-time", "\(Self.seconds / 2)", "--no-color",
          ] + arguments,
          environment: [
            "PYTHONDONTWRITEBYTECODE": "1", "HOME": system.folder.path,
            "HYPOTHESIS_STORAGE_DIRECTORY": system.folder.appending(path: "hypothesis").path,
          ],
          within: .seconds(Self.seconds / 2 + 120))
        #expect(code == 0, "\(output)")
        #expect(try await system.server.isRunning)
        said = output
      }
      return said
    }
  }
}
