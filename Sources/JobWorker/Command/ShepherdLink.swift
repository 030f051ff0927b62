import Foundation
import SystemPackage

/// What a shepherd has told of its program (see warren-shepherd/main.c): a pure value, made from its status lines.
struct ShepherdStatus: Sendable, Hashable {
  enum Fault: Sendable, Hashable {
    /// The program cannot be run.
    case program(Errno)
    /// The shepherd could not do its work.
    case worker(String)
  }

  var hasStarted = false
  var isInterrupted = false
  var end: CommandEnd?
  var fault: Fault?

  init() {}

  init(parsing text: String) {
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 3).map(String.init)
      switch (words.first, words.dropFirst().first, words.dropFirst(2).first.flatMap { Int32($0) })
      {
      case ("started", _, _): hasStarted = true
      case ("interrupted", _, _): isInterrupted = true
      case ("left", _, _): end = .leftBehind
      case ("ended", "exit", let code?): end = .exited(code)
      case ("ended", "signal", let number?): end = .signaled(number)
      case ("failed", "program", let number?): fault = .program(Errno(rawValue: number))
      case ("failed", _, _): fault = .worker(words.dropFirst(3).first ?? String(line))
      default: break
      }
    }
  }
}

/// The two FIFOs between the worker and one shepherd: orders go one way, and what became of the program comes the other.
///
/// They are apart from the program's own pipes, and closed when it is started, so that it can neither read nor write them.
struct ShepherdLink: Sendable {
  let orders: FilePath
  let status: FilePath
  private let ordersDescriptor: FileDescriptor
  private let statusDescriptor: FileDescriptor

  init(in directory: WorkerRuntimeDirectory) throws(CommandError) {
    orders = directory.newPath("orders")
    status = directory.newPath("status")
    ordersDescriptor = try Self.make(orders)
    do throws(CommandError) {
      statusDescriptor = try Self.make(status)
    } catch {
      Self.remove(ordersDescriptor, orders)
      throw error
    }
  }

  /// Tells the shepherd to end its program: SIGTERM, and SIGKILL after the grace period. The second time SIGKILL at once.
  func terminate() {
    // It takes what it can get: the pipe is full only after thousands of orders, and the shepherd's end needs none.
    _ = try? ordersDescriptor.writeAll("T".utf8)
  }

  /// What the shepherd has told; asked for once it has ended.
  func told() -> ShepherdStatus {
    var bytes = [UInt8](repeating: 0, count: 4096)
    var count = -1
    repeat {
      count = read(statusDescriptor.rawValue, &bytes, bytes.count)
    } while count < 0 && errno == EINTR
    return ShepherdStatus(parsing: String(decoding: bytes.prefix(max(0, count)), as: UTF8.self))
  }

  func close() {
    Self.remove(ordersDescriptor, orders)
    Self.remove(statusDescriptor, status)
  }

  private static func make(_ path: FilePath) throws(CommandError) -> FileDescriptor {
    do {
      guard mkfifo(path.string, 0o600) == 0 else { throw Errno(rawValue: errno) }
      // For both, so that neither side waits for the other.
      return try .open(path, .readWrite, options: [.nonBlocking, .closeOnExec])
    } catch {
      _ = unlink(path.string)
      throw .runtimeDirectory(path: path.string, reason: error.reason)
    }
  }

  private static func remove(_ descriptor: FileDescriptor, _ path: FilePath) {
    // Nothing can be done about a failure; the name goes with the directory at the latest.
    try? descriptor.close()
    _ = unlink(path.string)
  }
}

/// Finds the executable `warren-shepherd`.
struct ShepherdLocator: Sendable {
  /// Its path, when the operator names it: then it is looked for nowhere else.
  var named: String?
  /// Where the running executable is; the shepherd is installed beside it, and built beside the
  /// tests.
  var executableDirectory: FilePath?

  /// Of this process.
  init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    named = environment["WARREN_SHEPHERD"].flatMap { $0.isEmpty ? nil : $0 }
    // The link can be read for every process of one's own; where there is no /proc, there is no
    // such place.
    let executable = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    executableDirectory = executable.map { FilePath($0).removingLastComponent() }
  }

  /// - Throws: ``CommandError/noShepherd(looked:)``.
  func locate() throws(CommandError) -> FilePath {
    let candidate: FilePath
    if let named {
      candidate = FilePath(named)
    } else if let executableDirectory {
      candidate = executableDirectory.appending("warren-shepherd")
    } else {
      throw .noShepherd(looked: ["/proc/self/exe"])
    }
    guard FileManager.default.isExecutableFile(atPath: candidate.string) else {
      throw .noShepherd(looked: [candidate.string])
    }
    // The program may run in another directory, in which a relative path would mean another file.
    let current = FilePath(FileManager.default.currentDirectoryPath)
    return candidate.isAbsolute ? candidate : current.pushing(candidate)
  }
}
