import GRDB
import Jobs

/// The tables, and how a file comes to have them. The text of a migration that was published is never changed.
enum Schema {
  /// `WARN`: marks a file as a status store of Warren's.
  static let applicationID: Int64 = 0x5741_524E

  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("baseline") { db in try db.execute(sql: baseline) }
    migrator.registerMigration("retention") { db in try db.execute(sql: retention) }
    migrator.registerMigration("context") { db in try db.execute(sql: context) }
    migrator.registerMigration("log") { db in try db.execute(sql: log) }
    migrator.registerMigration("removed events") { db in try db.execute(sql: removedEvents) }
    migrator.registerMigration("retry") { db in try db.execute(sql: retry) }
    migrator.registerMigration("operation") { db in try db.execute(sql: operation) }
    migrator.registerMigration("dead letter") { db in try db.execute(sql: deadLetter) }
    migrator.registerMigration("access") { db in try db.execute(sql: access) }
    migrator.registerMigration("held back") { db in try db.execute(sql: heldBack) }
    migrator.registerMigration("webhook") { db in try db.execute(sql: webhook) }
    return migrator
  }

  /// Whether the file has the tables that Warren had before its first release.
  static func isEarlier(_ db: Database) throws -> Bool {
    try db.tableExists("job_payloads")
  }

  /// Sized by what a job's life costs: a row of `job` is small, and each index is there for one question.
  ///
  /// - A job's number says when it came into the store, and never changes: lists are ordered by it.
  /// - `status` 1 waits and is due, 13 waits for later, 14 for the tenant's quota; the others are as in ``StatusCode``.
  /// - What can be large stands apart, so that a change of status rewrites a small row.
  /// - Counts are kept by whoever writes, not by triggers: one row for all jobs of a transaction.
  static let baseline = """
    PRAGMA application_id = 1463898702;

    CREATE TABLE tenant (
      number INTEGER PRIMARY KEY,
      id BLOB NOT NULL UNIQUE CHECK (length(id) = 16)
    ) STRICT;
    CREATE TABLE type (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE queue (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE worker (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

    CREATE TABLE job (
      number INTEGER PRIMARY KEY,
      id BLOB NOT NULL CHECK (length(id) = 16),
      tenant INTEGER NOT NULL,
      type INTEGER NOT NULL,
      queue INTEGER NOT NULL,
      status INTEGER NOT NULL CHECK (status BETWEEN 0 AND 13),
      priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
      user BLOB CHECK (length(user) = 16),
      key BLOB CHECK (length(key) = 16),
      timeout INTEGER NOT NULL CHECK (timeout >= 0),
      max_retries INTEGER NOT NULL CHECK (max_retries >= 0),
      retry_delay INTEGER NOT NULL CHECK (retry_delay >= 0),
      backoff INTEGER NOT NULL CHECK (backoff BETWEEN 0 AND 2),
      max_retry_delay INTEGER NOT NULL CHECK (max_retry_delay >= 0),
      jitter REAL NOT NULL CHECK (jitter BETWEEN 0 AND 1),
      size INTEGER NOT NULL,
      snapshot_size INTEGER NOT NULL,
      replies INTEGER NOT NULL CHECK (replies IN (0, 1)),
      shared INTEGER NOT NULL CHECK (shared IN (0, 1)),
      created_at INTEGER NOT NULL,
      scheduled_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      retries INTEGER NOT NULL CHECK (retries >= 0),
      attempt INTEGER NOT NULL CHECK (attempt >= 0),
      lost_workers INTEGER NOT NULL CHECK (lost_workers >= 0),
      progress REAL NOT NULL CHECK (progress BETWEEN 0 AND 100),
      worker INTEGER,
      claim BLOB CHECK (length(claim) = 16),
      started_at INTEGER,
      attempt_started_at INTEGER,
      eta INTEGER,
      locked_by BLOB CHECK (length(locked_by) = 16),
      progress_details TEXT,
      details TEXT,
      error TEXT
    ) STRICT;
    CREATE UNIQUE INDEX job_id ON job (id);
    CREATE UNIQUE INDEX job_key ON job (tenant, key) WHERE key IS NOT NULL;
    CREATE INDEX job_due ON job (queue, type, priority DESC, scheduled_at) WHERE status = 1;
    CREATE INDEX job_later ON job (scheduled_at) WHERE status = 13;
    CREATE INDEX job_held ON job (worker, id) WHERE status BETWEEN 3 AND 6;
    CREATE INDEX job_between ON job (status, id) WHERE status IN (0, 2);
    CREATE INDEX job_locked ON job (locked_by) WHERE locked_by IS NOT NULL;
    CREATE INDEX job_telling ON job (replies) WHERE replies = 1 AND status BETWEEN 8 AND 12;
    CREATE INDEX job_list ON job (tenant, type);
    CREATE INDEX job_open ON job (tenant, status) WHERE status <> 12;

    CREATE TABLE payload (
      number INTEGER PRIMARY KEY,
      params BLOB NOT NULL,
      submitted BLOB,
      result BLOB,
      snapshot BLOB,
      replies BLOB
    ) STRICT;

    -- A late report or repetition of a deleted job must not bring it back.
    CREATE TABLE tombstone (
      id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
      deleted_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE event (
      sequence INTEGER PRIMARY KEY,
      job INTEGER NOT NULL,
      from_status INTEGER,
      to_status INTEGER NOT NULL,
      at INTEGER NOT NULL,
      attempt INTEGER NOT NULL,
      worker INTEGER,
      reason TEXT
    ) STRICT;
    CREATE INDEX event_job ON event (job);

    CREATE TABLE job_count (
      tenant INTEGER NOT NULL,
      queue INTEGER NOT NULL,
      type INTEGER NOT NULL,
      status INTEGER NOT NULL,
      jobs INTEGER NOT NULL CHECK (jobs >= 0),
      PRIMARY KEY (tenant, queue, type, status)
    ) STRICT, WITHOUT ROWID;

    -- Who may claim, and under which epoch.
    CREATE TABLE registered_worker (worker INTEGER PRIMARY KEY, epoch INTEGER NOT NULL) STRICT;

    -- The highest numbers that were ever used, of jobs (1) and events (2), where their rows are gone.
    CREATE TABLE high_water (kind INTEGER PRIMARY KEY, number INTEGER NOT NULL) STRICT;

    CREATE TABLE catalog_queue (
      name TEXT NOT NULL PRIMARY KEY,
      capacity INTEGER NOT NULL CHECK (capacity > 0)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE catalog_group (
      name TEXT NOT NULL PRIMARY KEY,
      queue TEXT NOT NULL,
      description TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- The description is the JSON form that workers announce.
    CREATE TABLE catalog_type (id TEXT NOT NULL PRIMARY KEY, description TEXT NOT NULL) STRICT;

    CREATE TABLE store_health (
      only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
      checked_at INTEGER NOT NULL
    ) STRICT;
    """

  /// What has ended, by when, and what may be forgotten of what was deleted.
  ///
  /// `job_ended` costs 23 bytes a job in the file and 82 in the write-ahead log, and no time that could be measured. In place of
  /// it, how far the log has been pruned could be noted; then a clock that was wrong once, or a changed age, would leave jobs
  /// behind.
  private static let retention = """
    CREATE INDEX job_ended ON job (status, type, updated_at, replies)
      WHERE replies = 0 AND status BETWEEN 8 AND 12;
    CREATE INDEX tombstone_age ON tombstone (deleted_at);
    """

  /// What travels with a job besides its params, as a JSON object. A job without has no byte of it.
  private static let context = "ALTER TABLE payload ADD COLUMN context BLOB"

  /// The id of the job that this one does again. Without a check: that would read every row of a store that is not new.
  private static let retry = "ALTER TABLE job ADD COLUMN retry_of BLOB"
}

extension Schema {
  /// What jobs logged, in the sets in which it was reported: `last` is the number of a set's last line, `position` which line of
  /// its attempt that is, and `lines` and `bytes` are how much the job has logged up to there, dropped lines not counted.
  fileprivate static let log = """
    CREATE TABLE job_log (
      number INTEGER PRIMARY KEY,
      job INTEGER NOT NULL,
      last INTEGER NOT NULL,
      lines INTEGER NOT NULL,
      bytes INTEGER NOT NULL,
      attempt INTEGER NOT NULL,
      position INTEGER NOT NULL,
      body BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX job_log_job ON job_log (job, last, lines, bytes);
    """

  /// For each tenant the highest number of a transition that is gone with its job: whoever reads the log from an earlier one on
  /// is told that something is missing.
  fileprivate static let removedEvents = """
    CREATE TABLE removed_event (tenant INTEGER PRIMARY KEY, sequence INTEGER NOT NULL) STRICT;
    CREATE INDEX removed_event_sequence ON removed_event (sequence);
    """
}

extension Schema {
  /// What is being done to many jobs. `position` is the number of the last job that was looked at, `last` that of the newest one
  /// that is meant; `status` 0 runs, 1 is completed, 2 canceled.
  fileprivate static let operation = """
    CREATE TABLE operation (
      number INTEGER PRIMARY KEY,
      id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
      tenant BLOB NOT NULL CHECK (length(tenant) = 16),
      key BLOB CHECK (length(key) = 16),
      request BLOB NOT NULL,
      status INTEGER NOT NULL CHECK (status BETWEEN 0 AND 2),
      matching INTEGER NOT NULL CHECK (matching >= 0),
      done INTEGER NOT NULL CHECK (done >= 0),
      skipped INTEGER NOT NULL CHECK (skipped >= 0),
      failed INTEGER NOT NULL CHECK (failed >= 0),
      failures BLOB,
      position INTEGER NOT NULL,
      last INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      ended_at INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX operation_key ON operation (tenant, key) WHERE key IS NOT NULL;
    CREATE INDEX operation_list ON operation (tenant);
    CREATE INDEX operation_running ON operation (number) WHERE status = 0;
    CREATE INDEX operation_ended ON operation (ended_at) WHERE ended_at IS NOT NULL;
    """
}

extension Schema {
  /// Messages that could not be accepted. `state` 0 waits, 1 is redriven, 2 accepted; `kind` 0 is a job, 1 a cancellation, 2 a
  /// report, 3 another of Warren's own. `root` is what the id of its job is derived from; `errors` is JSON, as text. What can be
  /// large stands last, so that lists need not read it.
  fileprivate static let deadLetter = """
    CREATE TABLE dead_letter (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
      root BLOB NOT NULL CHECK (length(root) = 16),
      fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 16),
      tenant BLOB NOT NULL CHECK (length(tenant) = 16),
      state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2),
      kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 3),
      redrives INTEGER NOT NULL CHECK (redrives >= 0),
      size INTEGER NOT NULL CHECK (size >= 0),
      arrived_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      edited_at INTEGER,
      edited_by BLOB CHECK (length(edited_by) = 16),
      job BLOB CHECK (length(job) = 16),
      reason TEXT NOT NULL,
      explanation TEXT NOT NULL,
      type TEXT,
      queue TEXT,
      found_in TEXT,
      exchange TEXT,
      routing_key TEXT,
      user TEXT,
      deaths TEXT,
      errors TEXT,
      edited_properties BLOB,
      edited_body BLOB,
      properties BLOB NOT NULL,
      body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX dead_letter_list ON dead_letter (tenant, state);
    CREATE INDEX dead_letter_same ON dead_letter (fingerprint);
    CREATE INDEX dead_letter_age ON dead_letter (state, updated_at);
    """
}

extension Schema {
  /// Status 14: due, and held back while the tenant runs as many jobs as it may.
  ///
  /// The check of `status` is changed in the schema's text (sqlite.org/lang_altertable.html, section 7): it allows more than before,
  /// so that no row has to be looked at. To copy the table would take minutes, and as much room again. The new index makes
  /// other connections read the schema anew, and `RESET` this one.
  fileprivate static let heldBack = """
    PRAGMA writable_schema = ON;
    UPDATE sqlite_schema
      SET sql = replace(sql, 'CHECK (status BETWEEN 0 AND 13)', 'CHECK (status BETWEEN 0 AND 14)')
      WHERE type = 'table' AND name = 'job';
    CREATE INDEX job_held_back ON job (tenant, queue, type, priority DESC, scheduled_at)
      WHERE status = 14;
    PRAGMA writable_schema = RESET;
    """
}

extension Schema {
  /// Which webhook endpoints a job names, with commas between; and how far those have come who read the transition log for the server
  /// itself.
  fileprivate static let webhook = """
    ALTER TABLE payload ADD COLUMN webhooks TEXT;
    CREATE TABLE event_reader (name TEXT NOT NULL PRIMARY KEY, sequence INTEGER NOT NULL)
      STRICT, WITHOUT ROWID;
    """
}

/// How a status is stored. The numbers stand in the schema's text.
enum StatusCode {
  static let due = 1
  static let later = 13
  /// Due, and not to be claimed before the tenant runs fewer jobs.
  static let heldBack = 14
  static let completed = 12
  static let running = 3

  /// Of any status; of `waiting`, when it is due.
  static func code(_ status: JobStatus) -> Int {
    switch status {
    case .initializing: 0
    case .waiting: due
    case .resuming: 2
    case .running: running
    case .canceling: 4
    case .suspending: 5
    case .locked: 6
    case .suspended: 7
    case .skipped: 8
    case .canceled: 9
    case .failed: 10
    case .timedOut: 11
    case .completed: completed
    }
  }

  static func code(of job: Job, at now: Timestamp) -> Int {
    job.status == .waiting && job.scheduledAt > now ? later : code(job.status)
  }

  static func status(_ code: Int) -> JobStatus? {
    code == later || code == heldBack ? .waiting : byCode[code]
  }

  /// All codes of `waiting`, one of any other.
  static func codes(_ status: JobStatus) -> [Int] {
    status == .waiting ? [due, later, heldBack] : [code(status)]
  }

  private static let byCode = Dictionary(
    uniqueKeysWithValues: JobStatus.allCases.map { (code($0), $0) })

  static func backoff(_ backoff: Backoff) -> Int {
    switch backoff {
    case .constant: 0
    case .linear: 1
    case .exponential: 2
    }
  }

  static func backoff(_ code: Int) -> Backoff? {
    Backoff.allCases.first { backoff($0) == code }
  }
}
