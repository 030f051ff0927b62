import Foundation
import Testing

@testable import Jobs

@Suite("The lifecycle diagram")
struct LifecycleDiagramTests {
  @Test("docs/job-lifecycle.md draws exactly the transitions that the state machine has")
  func diagram() throws {
    let document = URL(filePath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "docs/job-lifecycle.md")
    let text = try String(contentsOf: document, encoding: .utf8)
    let diagram = try #require(
      text.split(separator: "```mermaid\nstateDiagram-v2\n").dropFirst().first)
    var drawn: Set<String> = []
    for line in diagram.prefix(while: { $0 != "`" }).split(separator: "\n") {
      let ends = line.split(separator: ":")[0].components(separatedBy: "-->")
        .map { $0.trimmingCharacters(in: .whitespaces) }
      if ends.count == 2, !ends.contains("[*]") { drawn.insert("\(ends[0]) --> \(ends[1])") }
    }
    let machine = Set(
      JobStatus.allCases.flatMap { from in
        from.successors.map { "\(from.rawValue) --> \($0.rawValue)" }
      })
    #expect(drawn.subtracting(machine).sorted() == [], "drawn, but not in the machine")
    #expect(machine.subtracting(drawn).sorted() == [], "in the machine, but not drawn")
  }
}
