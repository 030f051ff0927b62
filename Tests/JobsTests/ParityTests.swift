import Foundation
import Testing

@Suite("The table of parity")
struct ParityTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private static func parity() throws -> String {
    try String(contentsOf: root.appending(path: "docs/parity.md"), encoding: .utf8)
  }

  @Test("every test that it names is there")
  func tests() throws {
    let files = FileManager.default.enumerator(
      at: Self.root.appending(path: "Tests"), includingPropertiesForKeys: nil)
    let names = Set(
      (files?.allObjects as? [URL] ?? []).map { $0.deletingPathExtension().lastPathComponent })
    let rows = try Self.parity().split(separator: "\n").filter { $0.hasPrefix("| `") }
    #expect(rows.count > 30)
    for row in rows {
      let cells = row.split(separator: "|")
      let named = (cells.last ?? "").split(separator: "`").filter { $0.hasSuffix("Tests") }
      #expect(!named.isEmpty, "no test shows: \(row)")
      for name in named { #expect(names.contains(String(name)), "\(name)") }
    }
  }

  @Test("every file that it links to is there")
  func links() throws {
    for match in try Self.parity().matches(of: /\]\(([^)]+)\)/) {
      let path = Self.root.appending(path: "docs").appending(path: String(match.1)).standardized
      #expect(FileManager.default.fileExists(atPath: path.path), "\(match.1)")
    }
  }
}
