/// A frame from the broker, copied out of the C library's memory.
struct InboundFrame {
  enum Payload {
    case method(InboundMethod)
    case header(size: UInt64, MessageProperties)
    case body([UInt8])
  }

  var channel: UInt16
  var payload: Payload
}
