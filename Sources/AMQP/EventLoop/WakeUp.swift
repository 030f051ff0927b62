import CRabbitMQ
import Glibc

/// Owns an eventfd, by which any thread ends another one's poll.
struct WakeUp: ~Copyable {
  /// To poll for input.
  let descriptor: Int32

  init() {
    descriptor = rmq_eventfd()
    // As with running out of memory: there is nothing that could go on.
    precondition(descriptor >= 0, "eventfd: error \(rmq_errno()), too many open files?")
  }

  deinit {
    close(descriptor)
  }

  /// Makes the descriptor readable.
  func signal() {
    var one: UInt64 = 1
    // It fails only when the counter is full, and then the descriptor is readable already.
    _ = write(descriptor, &one, 8)
  }

  /// Makes it unreadable again.
  func clear() {
    var count: UInt64 = 0
    _ = read(descriptor, &count, 8)
  }
}
