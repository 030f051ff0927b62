import Foundation
import Hummingbird
import Logging
import Warren
import WordJobs

/// A web application that schedules jobs, and runs them in the same process: `POST /count?path=README.md`.
@main
struct Web {
  struct Accepted: ResponseEncodable {
    /// With it the client finds the job, and asks again.
    let key: String
  }

  static func main() async throws {
    let environment = ProcessInfo.processInfo.environment
    let jobs = try JobService(
      broker: environment["WARREN_BROKER"] ?? "amqp://127.0.0.1/",
      prefix: environment["WARREN_PREFIX"] ?? "jobs", middleware: [.logging])
    jobs.on(CountWords.self) { params, job in
      let text = try String(contentsOfFile: params.path, encoding: .utf8)
      let words = text.split { !$0.isLetter }
      return CountWords.Result(total: words.count, mostFrequent: [])
    }

    let router = Router()
    router.post("count") { request, _ in
      let path = try request.uri.queryParameters.require("path")
      let key = request.uri.queryParameters.get("key")
      let handle = try await jobs.schedule(
        CountWords(path: path), key: try key.map { try IdempotencyKey($0) })
      return EditedResponse(status: .accepted, response: Accepted(key: handle.key.description))
    }
    router.get("ready") { _, _ in
      await jobs.isReady ? HTTPResponse.Status.ok : .serviceUnavailable
    }

    // What schedules stands after what it schedules with: a group ends its services in reverse.
    var app = Application(
      router: router,
      configuration: .init(
        address: .hostname("127.0.0.1", port: environment["PORT"].flatMap(Int.init) ?? 8090)))
    app.addServices(jobs)
    try await app.runService()
  }
}
