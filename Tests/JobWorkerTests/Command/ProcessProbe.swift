import Foundation

/// Looks at processes by their ids, as the kernel shows them.
enum ProcessProbe {
  /// The state letter of proc(5); nil when there is no such process, or only its remains (a
  /// zombie).
  static func state(of pid: Int32) -> Character? {
    guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
      let name = stat.lastIndex(of: ")"),
      let state = stat[name...].dropFirst(2).first, !"ZXx".contains(state)
    else { return nil }
    return state
  }

  static func isAlive(_ pid: Int32) -> Bool { state(of: pid) != nil }

  /// Whether something that nobody announces becomes true within ten seconds.
  static func eventually(_ condition: () -> Bool) async throws -> Bool {
    let deadline = ContinuousClock.now + .seconds(10)
    while !condition() {
      guard ContinuousClock.now < deadline else { return false }
      try await Task.sleep(for: .milliseconds(5))
    }
    return true
  }
}
