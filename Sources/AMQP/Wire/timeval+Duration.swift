import CRabbitMQ
import Glibc

extension timeval {
  /// A duration, rounded down to microseconds; a negative one is zero.
  init(_ duration: Duration) {
    let (seconds, attoseconds) = max(duration, .zero).components
    self.init(
      tv_sec: Int(clamping: min(seconds, 1_000_000_000)),
      tv_usec: Int(attoseconds / 1_000_000_000_000))
  }
}
