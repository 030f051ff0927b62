import Foundation

/// Ports that nobody listens on at the moment.
public enum FreePorts {
  /// So many different ones.
  public static func find(_ count: Int) throws -> [UInt16] {
    // All are held until all are found, so that they differ.
    var sockets: [Int32] = []
    defer { for socket in sockets { close(socket) } }
    return try (0..<count).map { _ in
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      guard descriptor >= 0 else { throw BrokerFailure("socket: error \(errno)") }
      sockets.append(descriptor)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      let bound = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
        }
      }
      guard bound else { throw BrokerFailure("bind: error \(errno)") }
      return UInt16(bigEndian: address.sin_port)
    }
  }
}
