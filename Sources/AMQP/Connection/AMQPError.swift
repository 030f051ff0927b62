/// What can go wrong between this process and the broker.
public enum AMQPError: Error, Sendable, Hashable {
  /// The URL is not usable; says which part and why.
  case url(String)
  /// No connection could be made: the name does not resolve, nobody listens, no answer in time.
  case connect(String)
  /// TLS could not be set up: a certificate file, the peer's certificate, its host name.
  case tls(String)
  /// The broker refused the log-in or the virtual host, with its code (403, 530) and text.
  case login(code: UInt16, text: String)
  /// The broker closed the channel on which this was asked: its code (404, 405, 406 …) and text.
  case channelClosed(code: UInt16, text: String)
  /// The broker closed the connection: its code (320, 501 …) and text.
  case connectionClosed(code: UInt16, text: String)
  /// The connection was lost: reset, end of file, no heartbeat.
  case socket(String)
  /// No answer within the time allowed; says to what.
  case timeout(String)
  /// The broker sent what AMQP does not allow here.
  case protocolViolation(String)
  /// A request reached no queue: nobody is there to answer it. The broker's code (312) and text.
  case returned(code: UInt16, text: String)
  /// The broker refused to take a request.
  case nacked
  /// An argument that AMQP cannot carry, found before anything was sent.
  case invalidArgument(String)
  /// ``Connection/run()`` has ended, or was called a second time.
  case closed(String)
  /// The task that waited was cancelled.
  case cancelled

  /// The broker's reply code, where it gave one.
  public var replyCode: UInt16? {
    switch self {
    case .login(let code, _), .channelClosed(let code, _), .connectionClosed(let code, _),
      .returned(let code, _):
      code
    default: nil
    }
  }

  /// Whether the broker has failed over what it was asked. RabbitMQ closes the connection then; it does
  /// so to whoever subscribes to a quorum queue whose process is gone.
  public var isInternal: Bool { replyCode == ReplyCode.internalError }

  var isTimeout: Bool {
    if case .timeout = self { true } else { false }
  }

  /// Whether the connection was lost through no fault of what was asked, so that asking again on the
  /// next one makes sense. Closed by the broker with any code but 320 (by an operator, or shutting
  /// down), it would only be closed again.
  var isConnectionLoss: Bool {
    switch self {
    case .connectionClosed(let code, _): code == ReplyCode.connectionForced
    case .socket, .connect: true
    default: false
    }
  }
}

extension AMQPError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .url(let why): "AMQP URL: \(why)"
    case .connect(let why): "cannot connect to the broker: \(why)"
    case .tls(let why): "TLS: \(why)"
    case .login(let code, let text): "the broker refused the log-in: \(code) \(text)"
    case .channelClosed(let code, let text): "the broker closed the channel: \(code) \(text)"
    case .connectionClosed(let code, let text):
      "the broker closed the connection: \(code) \(text)"
    case .socket(let why): "connection to the broker lost: \(why)"
    case .timeout(let what): "timed out: \(what)"
    case .protocolViolation(let what): "the broker violated the protocol: \(what)"
    case .returned(let code, let text): "no queue took the message: \(code) \(text)"
    case .nacked: "the broker refused to take the message (basic.nack)"
    case .invalidArgument(let why): "invalid argument: \(why)"
    case .closed(let why): "connection closed: \(why)"
    case .cancelled: "cancelled while waiting"
    }
  }
}

/// The broker's reply codes that make a difference here (specification, section 1.2).
enum ReplyCode {
  static let connectionForced: UInt16 = 320
  static let accessRefused: UInt16 = 403
  static let notFound: UInt16 = 404
  static let resourceLocked: UInt16 = 405
  static let preconditionFailed: UInt16 = 406
  static let internalError: UInt16 = 541
}
