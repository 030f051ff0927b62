/// A frame from the broker. Its payload lies in the ``FrameReader``'s memory, and is valid until that
/// is asked for room the next time.
struct Frame {
  enum Kind: UInt8 {
    case method = 1
    case header = 2
    case body = 3
    case heartbeat = 8
  }

  let kind: Kind
  let channel: UInt16
  let payload: UnsafeRawBufferPointer
}

/// Gathers what the socket gives, and cuts it into frames: a kind, a channel, a size, as many bytes,
/// and an end byte (specification, section 4.2.3).
struct FrameReader: ~Copyable {
  private static let end: UInt8 = 0xCE
  /// What a frame takes beside its payload.
  static let overhead = 8

  /// The largest frame that the broker may send.
  var frameMax: Int
  private var base: UnsafeMutableRawPointer
  private var capacity: Int
  private var head = 0
  private var tail = 0

  init(frameMax: Int) {
    self.frameMax = frameMax
    capacity = 65_536
    base = .allocate(byteCount: capacity, alignment: 8)
  }

  deinit { base.deallocate() }

  /// Whether part of a frame is there.
  var isEmpty: Bool { head == tail }

  /// Where to put what comes next; never empty. Frames handed out before become invalid.
  mutating func room() -> UnsafeMutableRawBufferPointer {
    if head == tail {
      head = 0
      tail = 0
      // What one large frame needed is not kept for ever.
      if capacity > 1 << 20 { grow(to: 65_536) }
    } else if capacity - tail < 16_384 {
      let wanted = max(neededForNext, 65_536)
      if wanted > capacity {
        grow(to: max(wanted, min(capacity * 2, frameMax + Self.overhead)))
      } else if head > 0 {
        base.copyMemory(from: base + head, byteCount: tail - head)
        tail -= head
        head = 0
      }
      if tail == capacity { grow(to: capacity * 2) }
    }
    return UnsafeMutableRawBufferPointer(start: base + tail, count: capacity - tail)
  }

  /// How many bytes of the last room have been filled.
  mutating func filled(_ count: Int) { tail += count }

  /// The size of the frame that has begun; 0 if that is not known yet, or not allowed.
  private var neededForNext: Int {
    guard tail - head >= 7 else { return 0 }
    let size = UInt32(bigEndian: base.loadUnaligned(fromByteOffset: head + 3, as: UInt32.self))
    let whole = Int(size) + Self.overhead
    return whole <= frameMax ? whole : 0
  }

  private mutating func grow(to size: Int) {
    let bigger = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
    bigger.copyMemory(from: base + head, byteCount: tail - head)
    base.deallocate()
    base = bigger
    capacity = size
    tail -= head
    head = 0
  }

  /// The next whole frame; `nil` if there is none yet.
  mutating func next() throws(AMQPError) -> Frame? {
    guard tail - head >= 7 else {
      if tail > head { try checkKind() }
      return nil
    }
    let kind = try checkKind()
    let channel = UInt16(bigEndian: base.loadUnaligned(fromByteOffset: head + 1, as: UInt16.self))
    let size = Int(UInt32(bigEndian: base.loadUnaligned(fromByteOffset: head + 3, as: UInt32.self)))
    guard size + Self.overhead <= frameMax else {
      throw .protocolViolation(
        "a frame of \(size + Self.overhead) bytes, \(frameMax) are agreed (frame_max)")
    }
    guard tail - head >= size + Self.overhead else { return nil }
    guard base.load(fromByteOffset: head + 7 + size, as: UInt8.self) == Self.end else {
      throw .protocolViolation("a frame without its end")
    }
    let payload = UnsafeRawBufferPointer(start: base + head + 7, count: size)
    head += size + Self.overhead
    return Frame(kind: kind, channel: channel, payload: payload)
  }

  @discardableResult
  private func checkKind() throws(AMQPError) -> Frame.Kind {
    let byte = base.load(fromByteOffset: head, as: UInt8.self)
    guard let kind = Frame.Kind(rawValue: byte) else {
      throw .protocolViolation("a frame of kind \(byte), which AMQP 0-9-1 does not have")
    }
    return kind
  }
}
