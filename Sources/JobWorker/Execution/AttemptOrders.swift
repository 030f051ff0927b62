/// What an attempt has been told to do. Any of them cancels its task; what the task then does decides, with them, the
/// outcome.
struct AttemptOrders: OptionSet, Sendable, Hashable {
  let rawValue: UInt8

  /// The job is canceled.
  static let cancel = AttemptOrders(rawValue: 1 << 0)
  /// Its time is over.
  static let timeOut = AttemptOrders(rawValue: 1 << 1)
  /// The worker ends.
  static let giveBack = AttemptOrders(rawValue: 1 << 2)
  /// The attempt is no longer the job's: nothing is reported.
  static let stop = AttemptOrders(rawValue: 1 << 3)
  /// The worker does not wait for it any longer: nothing is reported.
  static let abandon = AttemptOrders(rawValue: 1 << 4)
  /// The job is suspended.
  static let suspend = AttemptOrders(rawValue: 1 << 5)
}
