import Foundation
import Jobs
import Testing

extension SystemTests {
  @Suite("Webhooks")
  struct WebhookTests {
    @Test(
      "receivers are told of each end once, signed, over failures and kill -9, and none waits for another"
    )
    func deliveries() async throws {
      let receiver = try await Receiver.start()
      defer { receiver.remove() }
      let configuration =
        TestJobs.configuration + "\nwebhooks:\n"
        + receiver.endpoint("flaky", "types: ['files:note'], retries: [200ms, 1s, 1s]")
        + receiver.endpoint("silent", "timeout: 2s, retries: [1h], concurrency: 1")
        + receiver.endpoint("on-request", "types: [], statuses: [canceled]")
      try await WarrenSystem.run(configuration) { system in
        let listed = try await system.warren("webhooks")
        #expect(listed.exitCode == 0, "\(listed.output)")
        #expect(listed.output.contains("on request"))
        let test = try await system.warren("webhooks", "test", "flaky")
        #expect(test.exitCode == 0, "\(test.output)")

        let first = try await system.api.schedule("files:note")
        try await eventually("the first end is told, though the other receiver is silent") {
          receiver.told("/flaky") == [first]
        }
        let answers = receiver.letters(of: first, "/flaky")
        // The same event, signed anew.
        #expect(answers.map(\.status) == [500, 200])
        #expect(Set(answers.map(\.id)).count == 1)

        let canceled = try await system.api.schedule(
          "files:sleep", [:],
          [
            "webhooks": ["on-request"],
            "scheduled_at": .integer(Timestamp.now.milliseconds + 3_600_000),
          ])
        _ = try await system.api.post("/jobs/\(canceled)/cancel")
        try await eventually("the end of a job is told that names the endpoint") {
          receiver.told("/on-request") == [canceled]
        }

        var notes = Set([first])
        for number in 1...30 {
          if number == 20 { try await system.server.kill9() }
          if number == 20 { try await system.restartServer() }
          notes.insert(try await system.api.schedule("files:note"))
        }
        try await eventually("each is told") { receiver.told("/flaky") == notes }
        let forged = receiver.letters.filter { !$0.isGenuine }
        #expect(forged.isEmpty, "a signature is wrong")
        // However often it was sent, each end has one delivery for each endpoint.
        for job in notes {
          #expect(Set(receiver.letters(of: job, "/flaky").map(\.id)).count == 1)
        }
        try await eventually("all deliveries have ended that can") {
          let rows = try await system.rows()
          // And one that was a test.
          return rows.count { $0 == "warren:webhook warren-webhook-flaky completed" }
            == notes.count + 1
        }
        let rows = try await system.rows()
        #expect(rows.count { $0.hasPrefix("warren:webhook warren-webhook-silent") } == 32)
        #expect(rows.count { $0.hasPrefix("warren:webhook warren-webhook-on-request") } == 1)
        #expect(receiver.letters.count { $0.path == "/silent" } < 32)
      }
    }
  }
}

/// A receiver of webhooks that knows nothing of Warren, in Python. `/flaky` fails once for each event, `/silent` does not answer.
private final class Receiver: Sendable {
  private let folder: URL
  private let process: ChildProcess
  private let port: Int

  struct Letter: Sendable {
    let path: String
    let id: String
    let status: Int
    let isGenuine: Bool
    /// The job that it tells of; "" of a test.
    let job: String
  }

  private static let secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

  private static let program = """
    import base64, hashlib, hmac, http.server, json, os, sys, threading, time
    folder, secret = sys.argv[1], base64.b64decode(sys.argv[2])
    seen, lock = set(), threading.Lock()
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            event, number = json.loads(body), self.headers["webhook-id"]
            sent = self.headers["webhook-timestamp"]
            signed = f"{number}.{sent}.".encode() + body
            code = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
            genuine = self.headers["webhook-signature"].split(" ") == ["v1," + code]
            genuine = genuine and abs(time.time() - int(sent)) < 300
            with lock:
                fails = self.path == "/flaky" and number not in seen and event["type"] != "webhook.test"
                seen.add(number)
                with open(folder + "/letters", "a") as file:
                    line = {"path": self.path, "id": number, "status": 500 if fails else 200,
                            "genuine": genuine, "job": event["data"].get("id", "")}
                    file.write(json.dumps(line) + "\\n")
            if self.path == "/silent":
                time.sleep(10)
            self.send_response(500 if fails else 200)
            self.send_header("content-length", "0")
            self.end_headers()
        def log_message(self, *arguments): pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with open(folder + "/port.new", "w") as file: file.write(str(server.server_port))
    os.rename(folder + "/port.new", folder + "/port")
    server.serve_forever()
    """

  static func start() async throws -> Receiver {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "warren-webhooks-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data("whsec_\(secret)\n".utf8).write(to: folder.appending(path: "secret"))
    let process = try ChildProcess(
      "/usr/bin/python3", ["-c", program, folder.path, secret],
      log: folder.appending(path: "receiver.log"))
    let file = folder.appending(path: "port")
    try await eventually("the receiver listens") {
      FileManager.default.fileExists(atPath: file.path)
    }
    let port = try #require(Int(String(contentsOf: file, encoding: .utf8)))
    return Receiver(folder: folder, process: process, port: port)
  }

  private init(folder: URL, process: ChildProcess, port: Int) {
    self.folder = folder
    self.process = process
    self.port = port
  }

  /// An element of `webhooks` in the configuration.
  func endpoint(_ name: String, _ more: String) -> String {
    """
      - {name: \(name), url: 'http://127.0.0.1:\(port)/\(name)', secret_file: \(folder.path)/secret, \(more)}

    """
  }

  var letters: [Letter] {
    let text = (try? String(contentsOf: folder.appending(path: "letters"), encoding: .utf8)) ?? ""
    return text.split(separator: "\n").compactMap { line in
      guard let members = try? JSONValue(parsing: line.utf8).members,
        case .string(let path)? = members["path"], case .string(let id)? = members["id"],
        case .integer(let status)? = members["status"], case .string(let job)? = members["job"]
      else { return nil }
      return Letter(
        path: path, id: id, status: Int(status), isGenuine: members["genuine"] == true, job: job)
    }
  }

  func letters(of job: String, _ path: String) -> [Letter] {
    letters.filter { $0.job == job && $0.path == path }
  }

  /// The jobs of which an endpoint has taken a letter.
  func told(_ path: String) -> Set<String> {
    Set(letters.filter { $0.path == path && $0.status == 200 && !$0.job.isEmpty }.map(\.job))
  }

  func remove() { try? FileManager.default.removeItem(at: folder) }
}
