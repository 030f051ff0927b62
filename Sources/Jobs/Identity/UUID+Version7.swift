public import Foundation

extension UUID {
  /// The UUID of zeros: the tenant and the user of whoever names none.
  public static let zero = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))

  /// A UUID whose first 48 bits are the Unix time in milliseconds and the rest is random (RFC 9562, section 5.7).
  public static func version7(at time: Timestamp = .now) -> UUID {
    var generator = SystemRandomNumberGenerator()
    return version7(at: time, using: &generator)
  }

  static func version7(at time: Timestamp, using generator: inout some RandomNumberGenerator)
    -> UUID
  {
    let milliseconds = UInt64(clamping: time.milliseconds)
    let high = generator.next() as UInt64
    let low = generator.next() as UInt64
    func byte(_ value: UInt64, _ index: UInt64) -> UInt8 {
      UInt8(truncatingIfNeeded: value >> (index * 8))
    }
    return UUID(
      uuid: (
        byte(milliseconds, 5), byte(milliseconds, 4), byte(milliseconds, 3),
        byte(milliseconds, 2), byte(milliseconds, 1), byte(milliseconds, 0),
        0x70 | (byte(high, 0) & 0x0F), byte(high, 1),
        0x80 | (byte(low, 0) & 0x3F), byte(low, 1), byte(low, 2), byte(low, 3),
        byte(low, 4), byte(low, 5), byte(low, 6), byte(low, 7)
      ))
  }
}
