public import AMQP
public import JobTransport
public import Jobs

/// What a server needs to know.
public struct JobServerConfiguration: Sendable {
  /// The broker.
  public var broker: ConnectionConfiguration
  public var names: TransportNames
  /// The path of the SQLite file.
  public var store: String
  /// Where the API listens; loopback unless told otherwise.
  public var host: String
  /// 0 takes any free port.
  public var port: Int
  /// The largest request body, in bytes.
  public var maxBodyBytes: Int
  /// Queues, groups and types that are known without a worker that announces them.
  public var registry: JobRegistry
  /// How many workers a job may cost their life before it fails.
  public var poisonLimit: Int
  /// How long jobs that have ended are kept.
  public var retention: RetentionPolicy
  /// How long the server waits for one answer of the broker or of a worker.
  public var patience: Duration

  /// How long the server waits for a callback that a worker calls for it; longer than the workers' own limit.
  public var callbackLimit: Duration

  /// How long workers may take to come back after the server has connected to the broker: that long, one that is not there
  /// is not taken for gone.
  public var reconnectionGrace: Duration

  /// How often the server asks workers about attempts of which it has heard nothing for ``auditSilence``.
  public var auditInterval: Duration
  /// How long nothing has to have been heard of an attempt before its worker is asked about it.
  public var auditSilence: Duration

  public init(
    broker: ConnectionConfiguration, names: TransportNames, store: String,
    host: String = "127.0.0.1", port: Int = 8080, maxBodyBytes: Int = 1 << 20,
    registry: JobRegistry = JobRegistry(), poisonLimit: Int = 5,
    retention: RetentionPolicy = RetentionPolicy(), patience: Duration = .seconds(5),
    callbackLimit: Duration = .seconds(25), reconnectionGrace: Duration = .seconds(15),
    auditInterval: Duration = .seconds(15), auditSilence: Duration = .seconds(60)
  ) {
    self.broker = broker
    self.names = names
    self.store = store
    self.host = host
    self.port = port
    self.maxBodyBytes = maxBodyBytes
    self.registry = registry
    self.poisonLimit = poisonLimit
    self.retention = retention
    self.patience = patience
    self.callbackLimit = callbackLimit
    self.reconnectionGrace = reconnectionGrace
    self.auditInterval = auditInterval
    self.auditSilence = auditSilence
  }
}
