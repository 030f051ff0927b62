/// The broker's reply codes that make a difference here (specification, section 1.2).
enum ReplyCode {
  static let connectionForced: UInt16 = 320
  static let accessRefused: UInt16 = 403
  static let notFound: UInt16 = 404
  static let resourceLocked: UInt16 = 405
  static let preconditionFailed: UInt16 = 406
  static let internalError: UInt16 = 541
}
