/// What waits to be written to the socket, in order. Small things are gathered, so that one write
/// takes many; large ones are sent from where they lie.
struct Outbox: ~Copyable {
  private struct Segment {
    var store: ByteStore
    var rest: Range<Int>
  }

  /// From this size on, bytes are not copied.
  private static let copied = 16_384

  /// Before what is in `tail`.
  private var segments = FIFO<Segment>()
  private var tail = ByteWriter(capacity: 65_536)
  /// How much of `tail` has been sent.
  private var sent = 0
  private var encoder = FrameEncoder()
  private var segmentBytes = 0
  /// The socket has taken no more; it is to be asked again when it can be written.
  private(set) var isStalled = false
  /// How many bytes have been written.
  private(set) var written: UInt64 = 0

  init() {}

  /// How many bytes wait.
  var count: Int { segmentBytes + tail.count - sent }

  /// Adds a method.
  mutating func append(_ method: OutboundMethod, channel: UInt16, frameMax: Int) throws(AMQPError) {
    try encoder.append(method, channel: channel, frameMax: frameMax, to: &tail)
  }

  /// Adds bytes as they are.
  mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { tail.append($0) } }

  /// Adds whole frames, which stay as they are until they are sent.
  mutating func append(_ store: ByteStore, _ range: Range<Int>) {
    guard range.count >= Self.copied else {
      tail.append(store[range])
      return
    }
    sealTail()
    segments.append(Segment(store: store, rest: range))
    segmentBytes += range.count
  }

  private mutating func sealTail() {
    guard tail.count > sent else { return }
    var writer = ByteWriter(capacity: 65_536)
    swap(&writer, &tail)
    let store = writer.store()
    segmentBytes += store.count - sent
    segments.append(Segment(store: store, rest: sent..<store.count))
    sent = 0
  }

  /// Copies what is to be sent from where it lies, so that it may change or go.
  mutating func detach() {
    guard !segments.isEmpty else { return }
    sealTail()
    for segment in segments.removeAll() { tail.append(segment.store[segment.rest]) }
    segmentBytes = 0
  }

  /// The socket can be written again.
  mutating func unstall() { isStalled = false }

  /// Writes as much as the socket takes.
  mutating func flush(to transport: inout Transport) throws(AMQPError) {
    while !isStalled {
      if var segment = segments.first {
        guard let count = try transport.send(segment.store[segment.rest]) else {
          isStalled = true
          return
        }
        written += UInt64(count)
        segmentBytes -= count
        segment.rest = (segment.rest.lowerBound + count)..<segment.rest.upperBound
        if segment.rest.isEmpty {
          _ = segments.popFirst()
        } else {
          segments.replaceFirst(segment)
        }
        continue
      }
      guard tail.count > sent else { break }
      let rest = UnsafeRawBufferPointer(start: tail.base + sent, count: tail.count - sent)
      guard let count = try transport.send(rest) else {
        isStalled = true
        return
      }
      written += UInt64(count)
      sent += count
      if sent == tail.count {
        // What one burst needed is not kept for ever.
        if sent > 1 << 20 { tail = ByteWriter(capacity: 65_536) } else { tail.removeAll() }
        sent = 0
      }
    }
  }
}

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
