import Foundation
import Subprocess
import SystemPackage

/// A small shell that outlives the test process by an instant: when its standard input ends,
/// because the process is done or dead, it kills the node and removes its directory.
final class NodeGuardian: Sendable {
  // `kill -s KILL --`: dash takes no other form of signal name before a process group.
  private static let script = """
    trap '' INT TERM HUP
    cat >/dev/null
    if [ -s "$1/group" ]; then kill -s KILL -- "-$(cat "$1/group")" 2>/dev/null; fi
    for try in 1 2 3 4 5; do rm -rf "$1" 2>/dev/null && break; done
    """

  private let done = Signal()

  init(directory: URL) {
    let path = directory.path(percentEncoded: false)
    var options = PlatformOptions()
    // A Ctrl-C is for the tests.
    options.createSession = true
    Task { [done, options] in
      _ = try await run(
        .path("/bin/sh"), arguments: ["-c", Self.script, "guardian", path],
        platformOptions: options, input: .inputWriter, output: .discarded, error: .discarded
      ) { execution in
        await done.wait()
        try await execution.standardInputWriter.finish()
      }
    }
  }

  /// Lets it do its work now.
  func finish() {
    done.fire()
  }
}
