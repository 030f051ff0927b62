/// Bytes that are written once and then only read, by whoever holds on to them.
///
/// `@unchecked`, since the memory is reached by a pointer: it is written before the object is handed
/// over, and afterwards by the connection's thread only (channel numbers, before the bytes are sent).
final class ByteStore: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let count: Int

  fileprivate init(base: UnsafeMutableRawPointer, count: Int) {
    self.base = base
    self.count = count
  }

  deinit { base.deallocate() }

  subscript(range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count)
  }
}

/// Memory that grows while frames are written into it.
struct ByteWriter: ~Copyable {
  private(set) var base: UnsafeMutableRawPointer
  private var capacity: Int
  private(set) var count = 0

  init(capacity: Int) {
    self.capacity = max(capacity, 64)
    base = .allocate(byteCount: self.capacity, alignment: 8)
  }

  deinit { base.deallocate() }

  /// Makes sure that `more` bytes can be written; where they go.
  mutating func reserve(_ more: Int) -> UnsafeMutableRawBufferPointer {
    if count + more > capacity {
      let size = max(count + more, capacity * 2)
      let bigger = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
      bigger.copyMemory(from: base, byteCount: count)
      base.deallocate()
      base = bigger
      capacity = size
    }
    return UnsafeMutableRawBufferPointer(start: base + count, count: capacity - count)
  }

  /// That many bytes have been written into what ``reserve(_:)`` gave.
  mutating func wrote(_ more: Int) { count += more }

  mutating func append<Integer: FixedWidthInteger>(_ value: Integer) {
    _ = reserve(MemoryLayout<Integer>.size)
    (base + count).storeBytes(of: value.bigEndian, as: Integer.self)
    count += MemoryLayout<Integer>.size
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress else { return }
    _ = reserve(bytes.count)
    (base + count).copyMemory(from: source, byteCount: bytes.count)
    count += bytes.count
  }

  /// Begins a frame; returns what ``endFrame(_:)`` needs.
  mutating func beginFrame(_ kind: Frame.Kind, channel: UInt16) -> Int {
    append(kind.rawValue)
    append(channel)
    append(UInt32(0))
    return count
  }

  mutating func endFrame(_ start: Int) {
    (base + start - 4).storeBytes(of: UInt32(count - start).bigEndian, as: UInt32.self)
    append(UInt8(0xCE))
  }

  /// Forgets what was written behind that place.
  mutating func cut(to place: Int) { count = place }

  /// Empties it, keeping the memory.
  mutating func removeAll() { count = 0 }

  /// What has been written, for good.
  consuming func store() -> ByteStore {
    let store = ByteStore(base: base, count: count)
    discard self
    return store
  }
}
