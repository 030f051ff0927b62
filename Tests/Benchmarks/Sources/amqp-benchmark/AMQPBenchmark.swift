import ArgumentParser
import Foundation

@main
struct AMQPBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Publishes and consumes through C and through Swift in turn, and compares them.")

  @Option(help: "The broker, amqp://user:password@host:port/vhost; its queue is purged.")
  var broker: String
  @Option(help: "A durable classic queue.")
  var queue = "warren-benchmark"
  @Option(help: "Messages in each direction, language and round.")
  var messages = 200_000
  @Option(help: "The size of a body.")
  var bytes = 200
  @Option(help: "Messages handed over, and acknowledged, at a time.")
  var batch = 250
  @Option(help: "Messages that may be unconfirmed, or unacknowledged, at a time.")
  var inFlight = 2_000
  @Option(help: "How often each is done.")
  var rounds = 5
  @Flag(help: "Print the whole as JSON.")
  var json = false

  func validate() throws {
    guard batch > 0, inFlight >= batch, inFlight <= 65_535, messages > 0, bytes >= 0, rounds > 0
    else {
      throw ValidationError("1 ≤ batch ≤ in-flight ≤ 65535, and at least a message and a round")
    }
  }

  func run() throws {
    guard let url = URLComponents(string: broker), url.scheme == "amqp", let host = url.host else {
      throw ValidationError("--broker must be an amqp:// URL; TLS is not compared")
    }
    let path = url.path.dropFirst().removingPercentEncoding ?? ""
    let place = [
      host, String(url.port ?? 5672), url.user ?? "guest", url.password ?? "guest",
      path.isEmpty ? "/" : path,
    ]
    let sizes = [messages, bytes, batch, inFlight].map(String.init)
    func swift(_ direction: String) throws -> Run? {
      try Self.run("amqp-swift", [direction, broker, queue] + sizes)
    }
    func c(_ direction: String) throws -> Run? {
      try Self.run("amqp-c", [direction] + place + [queue] + sizes)
    }

    // Declares and empties the queue; the first, cold run is not counted.
    _ = try swift("prepare")
    _ = try c("publish")
    _ = try swift("consume")
    var report = Report(messages: messages, bytes: bytes, batch: batch, inFlight: inFlight)
    for round in 0..<rounds {
      // Who comes first changes, so that neither has the warmer broker.
      let order = round.isMultiple(of: 2) ? [c, swift] : [swift, c]
      for (position, program) in order.enumerated() {
        let isC = (position == 0) == round.isMultiple(of: 2)
        for direction in ["publish", "consume"] {
          guard let run = try program(direction) else { continue }
          report.add(run, direction: direction, isC: isC)
        }
      }
    }
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      print(String(decoding: try encoder.encode(report), as: UTF8.self))
    } else {
      print(report.text)
    }
  }

  /// Runs a program that stands beside this one. `nil` if it printed nothing.
  private static func run(_ name: String, _ arguments: [String]) throws -> Run? {
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent().appending(path: name)
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw ValidationError("\(name) \(arguments[0]) ended with \(process.terminationStatus)")
    }
    return data.isEmpty ? nil : try JSONDecoder().decode(Run.self, from: data)
  }
}
