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

  /// The channel of the next frame, if that is a basic.deliver.
  var channelOfDelivery: UInt16? {
    guard tail - head >= 11, base.load(fromByteOffset: head, as: UInt8.self) == 1,
      integer(at: head + 7, UInt32.self) == Self.deliver
    else { return nil }
    return integer(at: head + 1, UInt16.self)
  }

  private static let deliver: UInt32 = 60 << 16 | 60

  /// The payloads of a delivery's frames. They are valid as long as that of a ``Frame``.
  struct Delivery {
    let method: UnsafeRawBufferPointer
    let header: UnsafeRawBufferPointer
    let body: UnsafeRawBufferPointer
  }

  /// The next delivery on that channel, if it is next, whole, and its body is in one frame. If not, or
  /// if anything is wrong with it, ``next()`` gives its frames.
  mutating func nextDelivery(on channel: UInt16) -> Delivery? {
    guard let method = payload(1, channel, at: head), method.count >= 4,
      method.loadUnaligned(as: UInt32.self).bigEndian == Self.deliver
    else { return nil }
    var end = head + method.count + Self.overhead
    // Class, weight, body size, properties.
    guard let header = payload(2, channel, at: end), header.count >= 14 else { return nil }
    end += header.count + Self.overhead
    let size = UInt64(bigEndian: header.loadUnaligned(fromByteOffset: 4, as: UInt64.self))
    var body = UnsafeRawBufferPointer(start: nil, count: 0)
    if size > 0 {
      guard let only = payload(3, channel, at: end), UInt64(only.count) == size else { return nil }
      body = only
      end += only.count + Self.overhead
    }
    head = end
    return Delivery(method: method, header: header, body: body)
  }

  /// The payload of the frame there, if it is whole, right, and of that kind and channel.
  private func payload(_ kind: UInt8, _ channel: UInt16, at place: Int) -> UnsafeRawBufferPointer? {
    guard tail - place >= Self.overhead, base.load(fromByteOffset: place, as: UInt8.self) == kind,
      integer(at: place + 1, UInt16.self) == channel
    else { return nil }
    let size = Int(integer(at: place + 3, UInt32.self))
    guard size + Self.overhead <= min(frameMax, tail - place),
      base.load(fromByteOffset: place + 7 + size, as: UInt8.self) == Self.end
    else { return nil }
    return UnsafeRawBufferPointer(start: base + place + 7, count: size)
  }

  private func integer<Value: FixedWidthInteger & BitwiseCopyable>(
    at place: Int, _ type: Value.Type
  ) -> Value {
    Value(bigEndian: base.loadUnaligned(fromByteOffset: place, as: type))
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
