import AMQP
import Foundation
import JobTransport
import Jobs

enum JobRequest {
  case get([JobID])
  case getKey(IdempotencyKey)
  case tellEnd([JobID])
  case watch(JobID, for: Duration)
  static let mostJobs = 1000
  func message(tenant: UUID, patience: Duration) throws -> Message { Message() }
  struct Answer {
    var jobs: [Job?]
    var more: [JobID]?
    init(_ m: Message) throws {
      jobs = []
      more = nil
    }
  }
}
enum JobNews {
  case job(Job)
  case unknown(JobID)
  static func read(_ m: Message) throws -> [JobNews] { [] }
}
extension TransportNames { var requests: String { "" } }
