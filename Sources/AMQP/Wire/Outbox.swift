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
