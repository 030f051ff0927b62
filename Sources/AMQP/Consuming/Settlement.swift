/// One acknowledgement or refusal as it goes over the wire.
struct Settlement: Equatable {
  enum Kind: UInt8 {
    case ack
    case requeue
    case drop
  }

  var kind: Kind
  var tag: UInt64
  var multiple: Bool
}
