import Foundation
import Hummingbird
import Jobs

extension Parameters {
  /// The job id in the path.
  ///
  /// - Throws: ``APIProblem`` when it is no UUID.
  func jobID() throws(APIProblem) -> JobID {
    let text = decoded("id")
    guard let id = JobID(text) else {
      throw APIProblem(
        .invalidParameter, "'\(text.prefix(100))' is no job id; a job id is a UUID")
    }
    return id
  }

  /// A part of the path, with its percent-encoding undone; unchanged where that cannot be undone.
  func decoded(_ name: String) -> String {
    let text = get(name) ?? ""
    return text.removingPercentEncoding ?? text
  }
}
