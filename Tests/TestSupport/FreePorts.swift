import Foundation
import Synchronization

/// Ports that nobody listens on, and that no other test process is given while this one lives.
///
/// They lie below the range from which the kernel takes ports for outgoing connections, so that none of those gets in the way
/// between the finding and the listening. Among test processes a locked file a port keeps them apart.
public enum FreePorts {
  private static let range = 20_000..<32_000
  /// The locked files of the ports that were given: they stay open, and locked, until the process ends.
  private static let held = Mutex<[Int32]>([])

  /// So many different ones.
  public static func find(_ count: Int) throws -> [UInt16] {
    let folder = FileManager.default.temporaryDirectory.appending(path: "warren-test-ports")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var ports: [UInt16] = []
    // From a random place on, so that processes seldom try the same.
    let first = Int.random(in: range)
    for offset in 0..<range.count where ports.count < count {
      let port = range.lowerBound + (first - range.lowerBound + offset) % range.count
      if let lock = try reserve(port, in: folder) {
        held.withLock { $0.append(lock) }
        ports.append(UInt16(port))
      }
    }
    guard ports.count == count else { throw BrokerFailure("no \(count) free ports in \(range)") }
    return ports
  }

  /// The descriptor of the port's locked file; `nil` when somebody has the port.
  private static func reserve(_ port: Int, in folder: URL) throws -> Int32? {
    let path = folder.appending(path: "\(port)").path(percentEncoded: false)
    let descriptor = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw BrokerFailure("\(path): error \(errno)") }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, isFree(port) else {
      close(descriptor)
      return nil
    }
    return descriptor
  }

  private static func isFree(_ port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = INADDR_ANY
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}
