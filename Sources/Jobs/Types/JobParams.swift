/// The params of a kind of job, which name the kind: the one type that producer and consumer share.
///
/// ```swift
/// struct CountWords: JobParams {
///   static let job = JobDefinition("text:words", timeout: .seconds(60), retry: .exponential(3))
///   static let defaults = ParamDefaults { Self(path: $0) }
///
///   var path: String
///   var top = 3
///   …
///   struct Result: Codable, Sendable { … }
/// }
/// ```
///
/// The JSON Schema of the params comes from the type: nested types, arrays, enums (`CaseIterable` ones with their values), dates, URLs and
/// UUIDs are described as such, optionals may be left out, and what is not in ``defaults`` has to be given. What a Swift type
/// cannot say, such as the range of a number, ``refine(_:)`` adds.
public protocol JobParams: Codable, Sendable {
  /// What a completed job has come to; ``NoResult`` when nothing is said.
  associatedtype Result: Codable & Sendable = NoResult

  /// What kind of job it is, and how it runs.
  static var job: JobDefinition { get }

  /// What stands for members that are left out, as a producer in another language may do. None have to be given when nothing is
  /// said, except for optionals.
  static var defaults: ParamDefaults<Self> { get }

  /// What members are for, for people, by name; of a nested one as in `"options/level"`.
  static var descriptions: [String: String] { get }

  /// Any instance, from which the schema is read. Only for types that take no made-up values, such as an enum with
  /// associated values or a text that is checked when it is decoded. ``defaults`` makes up what it asks for all the same: an enum that is
  /// asked for there has to be `CaseIterable`.
  static var example: Self? { get }

  /// Says more of the params than their Swift type does, with any keyword of JSON Schema that is supported (``ParamsSchema``).
  ///
  /// ```swift
  /// static func refine(_ schema: inout SchemaBuilder) {
  ///   schema["path"].minLength = 1
  ///   schema["top"].minimum = 1
  ///   schema["options"]["token"].writeOnly = true
  ///   …
  /// }
  /// ```
  ///
  /// A job whose params do not fit is refused, before any worker sees it. What the type does not have is an error when it is
  /// registered, as is a default that does not fit.
  static func refine(_ schema: inout SchemaBuilder)
}

extension JobParams {
  public static var defaults: ParamDefaults<Self> { .none }
  public static var descriptions: [String: String] { [:] }
  public static var example: Self? { nil }
  public static func refine(_ schema: inout SchemaBuilder) {}
}

/// What all jobs of a kind have in common.
public struct JobDefinition: Sendable {
  /// `group:name`.
  public let id: JobTypeID
  /// In which they wait. All types of a group wait in one queue.
  public let queue: JobQueueName
  /// What they do, for people.
  public let description: String
  /// How long one execution may take; zero is without limit.
  public let timeout: Duration
  /// How long an attempt may neither report progress nor call ``JobContext/heartbeat()`` before it ends as one that took too long;
  /// zero is without limit.
  public let stallTimeout: Duration
  /// What happens after a failure.
  public let retry: Retry
  /// 0 to 9; of the jobs of a queue that are due, those with the higher one run first.
  public let priority: Int
  /// Whether they can be suspended and resumed.
  public let isSuspendable: Bool

  /// Defines a kind of job. A job may say otherwise of its time-out, its retries and its priority.
  ///
  /// - Parameters:
  ///   - id: `group:name`, each of `a-z A-Z 0-9 _ -`. One that is none ends the process when it is first used.
  ///   - queue: in which they wait; the same for all types of a group. One of your own is written `.named("photos")`.
  ///   - description: what they do, for people.
  ///   - timeout: how long one execution may take; zero is without limit.
  ///   - stallTimeout: how long an attempt may say nothing; zero is without limit.
  ///   - retry: what happens after a failure.
  ///   - priority: 0 to 9, higher ones first.
  ///   - suspendable: whether they can be suspended and resumed.
  public init(
    _ id: StaticString, queue: JobQueueName = .compute, description: String = "",
    timeout: Duration = .zero, stallTimeout: Duration = .zero, retry: Retry = .never,
    priority: Int = JobPriority.standard, suspendable: Bool = false
  ) {
    self.id = .named(id)
    self.queue = queue
    self.description = description
    self.timeout = timeout
    self.stallTimeout = stallTimeout
    self.retry = retry
    self.priority = priority
    self.isSuspendable = suspendable
  }
}

/// What happens after a failure: how often a job is run again, and after how long.
public struct Retry: Sendable {
  /// What the server goes by.
  public var policy: RetryPolicy
  /// Asked by the worker about each error that does not say itself what happens next (as ``RetryAfter`` does).
  var decide: (@Sendable (any Error) -> RetryDecision?)?

  /// Whatever the policy says.
  public init(_ policy: RetryPolicy) {
    self.policy = policy
  }

  /// A failed job stays failed.
  public static let never = Retry(.never)

  /// So many times, after a delay that doubles each time.
  ///
  /// - Parameters:
  ///   - times: how many failures are followed by another attempt.
  ///   - delay: before the first of them.
  ///   - longest: no delay is longer, jitter not counted.
  ///   - jitter: the part of each delay that is left to chance, so that what failed together does not come again together.
  public static func exponential(
    _ times: Int, from delay: Duration = .seconds(1), upTo longest: Duration = .seconds(3600),
    jitter: Double = 0.2
  ) -> Retry {
    Retry(.exponential(times, from: delay, upTo: longest, jitter: jitter))
  }

  /// So many times, after a delay that grows by the first one each time.
  public static func linear(
    _ times: Int, from delay: Duration = .seconds(1), upTo longest: Duration = .seconds(3600),
    jitter: Double = 0.2
  ) -> Retry {
    Retry(.linear(times, from: delay, upTo: longest, jitter: jitter))
  }

  /// So many times, always after the same delay.
  public static func constant(
    _ times: Int, every delay: Duration = .seconds(1), jitter: Double = 0
  ) -> Retry {
    Retry(.constant(times, every: delay, jitter: jitter))
  }
}

extension Retry {
  /// The same, for errors of which `isWorthIt` says so; any other fails the job for good.
  ///
  /// ```swift
  /// retry: .exponential(5).when { !($0 is CocoaError) }
  /// ```
  public func when(_ isWorthIt: @escaping @Sendable (any Error) -> Bool) -> Retry {
    deciding { isWorthIt($0) ? nil : .fail }
  }

  /// The same, unless `decide` says something else of an error.
  ///
  /// - Parameter decide: what happens after an error; `nil` leaves it to the policy.
  public func deciding(
    _ decide: @escaping @Sendable (any Error) -> RetryDecision?
  ) -> Retry {
    var retry = self
    retry.decide = { [earlier = self.decide] error in earlier?(error) ?? decide(error) }
    return retry
  }
}

/// What stands for the members of params that are left out, known by a closure that makes the params from the others.
///
/// ```swift
/// static let defaults = ParamDefaults { Self(path: $0) }
/// ```
///
/// Here all but the path have defaults; `ParamDefaults { Self() }` says that all have.
public struct ParamDefaults<Params: JobParams>: Sendable {
  private let make: (@Sendable (SampleDecoder.Sample) throws -> Params)?

  /// - Parameter make: makes params, with the defaults, from what has to be given. It is called with values that mean nothing:
  ///   members that are different then have no default.
  public init<each Required: Decodable & SendableMetatype>(
    _ make: @escaping @Sendable (repeat each Required) -> Params
  ) {
    self.make = { sample in
      make(repeat try SampleDecoder.sample((each Required).self, sample))
    }
  }

  private init() {
    make = nil
  }

  /// All members have to be given, except for optionals.
  public static var none: Self { Self() }

  /// Of members that have one.
  fileprivate func values() throws -> [String: JSONValue] {
    guard let make else { return [:] }
    let samples = try SampleDecoder.Sample.allCases.map { sample in
      try JSONValue(encoding: try make(sample)).members ?? [:]
    }
    return samples[0].filter { samples[1][$0.key] == $0.value }
  }
}

extension JobParams {
  /// What everyone but the code of the job knows of it.
  ///
  /// - Throws: ``JobParamsError``.
  package static func describe(callbacks: Set<JobCallback>) throws(JobParamsError)
    -> JobTypeDescription
  {
    do {
      let defaults = try defaults.values()
      let instance = try example ?? SampleDecoder.sample(Self.self)
      var schema = try SchemaEncoder.schema(of: instance).withDefaults(ofMembers: defaults)
      guard schema.kinds == [.object], schema.properties != nil else {
        throw JSONError("params have to be an object with members of their own")
      }
      for (name, text) in descriptions.sorted(by: { $0.key < $1.key }) {
        guard schema.describe(name.split(separator: "/").map(String.init)[...], text) else {
          throw JSONError("there is a description of \(name), which is no member")
        }
      }
      let derived = schema
      refine(&schema)
      if let stranger = schema.stranger(to: derived) {
        throw JSONError("`refine` names \(stranger), which is no member")
      }
      return JobTypeDescription(
        id: job.id, description: job.description, timeout: job.timeout,
        stallTimeout: job.stallTimeout, retry: job.retry.policy, priority: job.priority,
        params: .object(defaults), schema: try ParamsSchema(schema),
        suspendable: job.isSuspendable, callbacks: callbacks)
    } catch let error as SchemaError {
      throw JobParamsError(
        type: job.id, params: "\(Self.self)", reason: "\(error)", isOfSamples: false)
    } catch {
      throw JobParamsError(type: job.id, params: "\(Self.self)", reason: "\(error)")
    }
  }

  package static func group() throws(NameError) -> JobGroup {
    try JobGroup(job.id.group, queue: job.queue)
  }
}

extension SchemaBuilder {
  /// - Returns: whether there is such a member.
  fileprivate mutating func describe(_ path: ArraySlice<String>, _ text: String) -> Bool {
    guard let name = path.first else {
      description = text
      return true
    }
    guard properties?[name] != nil else { return false }
    return self[name].describe(path.dropFirst(), text)
  }
}

/// Why params make no job type.
public struct JobParamsError: Error, Hashable, CustomStringConvertible {
  /// Of which job type.
  public let type: JobTypeID
  /// The Swift type's name.
  public let params: String
  /// What is wrong with it.
  public let reason: String
  /// Whether made-up values may be what is wrong.
  var isOfSamples = true

  public var description: String {
    "\(params) cannot be the params of the job type \(type): \(reason)"
      + (isOfSamples
        ? ". Where no values can be made up, give it a static member `example`, and make an enum that"
          + " `defaults` asks for `CaseIterable`"
        : "")
  }
}
