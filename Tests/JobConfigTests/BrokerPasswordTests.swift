import Foundation
import JobConfig
import Testing

@Suite("The broker's password, apart from its URL")
struct BrokerPasswordTests {
  /// Runs with a file that has the text.
  private func withFile<Value>(_ text: String, _ body: (String) throws -> Value) throws -> Value {
    let file = FileManager.default.temporaryDirectory.appending(path: "password-\(UUID())")
    try Data(text.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    return try body(file.path)
  }

  @Test("may have any character, and takes the place of the URL's own")
  func anyCharacter() throws {
    let broker = try parsed(
      """
      broker: amqp://old:older@b:1/%2F?heartbeat=5
      broker_user: us@er
      broker_password: 'p@ss#w/o%r:d ä?'
      """
    ).broker
    #expect(broker.url == "amqp://us%40er:p%40ss%23w%2Fo%25r%3Ad%20%C3%A4%3F@b:1/%2F?heartbeat=5")
    #expect("\(broker)" == "amqp://us%40er:***@b:1/%2F")
  }

  @Test("stays with the user that the URL names, and that one with its password")
  func halves() throws {
    #expect(
      try parsed("{broker: 'amqp://u:p@b/', broker_password: q}").broker.url == "amqp://u:q@b/")
    #expect(try parsed("{broker: 'amqp://u:p@b/', broker_user: v}").broker.url == "amqp://v:p@b/")
    #expect(try parsed("{broker: 'amqp://b', broker_password: q}").broker.url == "amqp://guest:q@b")
    #expect(
      try parsed("{broker: 'amqp://b?heartbeat=1', broker_user: u, broker_password: '@'}").broker
        .url == "amqp://u:%40@b?heartbeat=1")
  }

  @Test("comes from a file, whose last line's end does not count", arguments: ["", "\n", "\r\n"])
  func file(end: String) throws {
    try withFile("s3/cr@t\(end)") { path in
      let broker = try parsed(
        "broker: amqp://warren@b/", ["WARREN_BROKER_PASSWORD_FILE": path]
      ).broker
      #expect(broker.url == "amqp://warren:s3%2Fcr%40t@b/")
      #expect(try parsed("broker_password_file: \(path)").broker.url.contains("s3%2Fcr%40t"))
    }
  }

  @Test("is in no message, whatever is wrong with it")
  func problemsWithoutSecrets() throws {
    try withFile("s3cret\nsecond") { path in
      #expect(
        problems("", ["WARREN_BROKER_PASSWORD_FILE": path]) == [
          "WARREN_BROKER_PASSWORD_FILE: the file \(path) has more than one line; it has to hold the"
            + " secret alone"
        ])
    }
    try withFile("\n") { path in
      #expect(
        problems("broker_password_file: \(path)") == [
          "w.yaml:1:23: broker_password_file: the file \(path) is empty; it has to hold the secret"
        ])
    }
    #expect(
      problems("broker_password_file: /nowhere/at/all") == [
        "w.yaml:1:23: broker_password_file: the file /nowhere/at/all cannot be read: No such file or"
          + " directory"
      ])
    #expect(
      problems("{broker_password_file: /x, broker_password: s3cret}").first
        == "w.yaml:1:45: broker_password: excludes broker_password_file; set one of them")
    let configuration = try parsed("broker_password: s3cret")
    #expect(!"\(configuration)".contains("s3cret"))
    #expect(!String(reflecting: configuration).contains("s3cret"))
  }
}
