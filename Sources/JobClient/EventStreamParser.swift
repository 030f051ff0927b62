/// Reads a stream of server-sent events (WHATWG HTML, section 9.2.6), as its bytes come.
struct EventStreamParser: Sendable {
  /// One event, with what the stream has said before it.
  struct Event: Sendable, Hashable {
    /// `message` where the stream names none.
    var name = "message"
    var data = ""
    /// Where the stream goes on after it.
    var lastID: String?
  }

  /// Why a stream cannot be read.
  struct TooLong: Error, Hashable {}

  /// The largest event, in bytes: one has a job's reason, and little else.
  static let mostBytes = 1 << 20

  /// The id that the stream has given last, also without an event.
  private(set) var lastID: String?
  /// After how many milliseconds it is to be asked for again, where it says so.
  private(set) var retry: Int?

  private var line: [UInt8] = []
  private var hasReturn = false
  private var isFirst = true
  private var name = ""
  private var data: [UInt8]?
  private var nextID: String?

  init(lastID: String? = nil, retry: Int? = nil) {
    self.lastID = lastID
    self.retry = retry
    nextID = lastID
  }

  /// - Returns: the events that end in these bytes.
  mutating func read(_ bytes: some Sequence<UInt8>) throws(TooLong) -> [Event] {
    var events: [Event] = []
    for byte in bytes {
      let follows = hasReturn
      hasReturn = byte == UInt8(ascii: "\r")
      switch byte {
      case UInt8(ascii: "\n") where follows: break
      case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
        if let event = endLine() { events.append(event) }
      default:
        line.append(byte)
        guard line.count + (data?.count ?? 0) <= Self.mostBytes else { throw TooLong() }
      }
    }
    return events
  }

  private mutating func endLine() -> Event? {
    defer { line.removeAll(keepingCapacity: true) }
    if isFirst {
      isFirst = false
      if line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
    }
    guard !line.isEmpty else { return dispatch() }
    let parts = line.split(
      separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
    var value = parts.count > 1 ? parts[1] : []
    if value.first == UInt8(ascii: " ") { value.removeFirst() }
    switch String(decoding: parts[0], as: UTF8.self) {
    case "event": name = String(decoding: value, as: UTF8.self)
    case "data":
      if data == nil { data = [] } else { data?.append(UInt8(ascii: "\n")) }
      data?.append(contentsOf: value)
    case "id" where !value.contains(0): nextID = String(decoding: value, as: UTF8.self)
    case "retry" where !value.isEmpty && value.allSatisfy { (0x30...0x39).contains($0) }:
      retry = Int(String(decoding: value, as: UTF8.self)) ?? retry
    default: break
    }
    return nil
  }

  private mutating func dispatch() -> Event? {
    lastID = nextID
    defer {
      name = ""
      data = nil
    }
    guard let data else { return nil }
    return Event(
      name: name.isEmpty ? "message" : name, data: String(decoding: data, as: UTF8.self),
      lastID: lastID)
  }
}
