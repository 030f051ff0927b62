import GRDB
import Jobs

/// The jobs, what they carry, their log, their numbers and their tombstones.
enum JobTables {
  static func create(_ db: Database) throws {
    try db.execute(sql: "PRAGMA application_id = \(Schema.applicationID)")
    try createJobs(db)
    try createListIndexes(db)
    try createLog(db)
    try createCounts(db)
    try db.execute(
      sql: """
        CREATE TABLE store_health (
          only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
          checked_at INTEGER NOT NULL
        ) STRICT;
        """)
  }

  /// What a job has saved in order to go on from there.
  static func addSnapshots(_ db: Database) throws {
    try db.execute(sql: "ALTER TABLE job_payloads ADD COLUMN snapshot TEXT")
  }

  /// Who is to be told of a job's end; holds only those that have not been told.
  static func addReplies(_ db: Database) throws {
    try db.execute(
      sql: """
        ALTER TABLE job_payloads ADD COLUMN reply TEXT;
        CREATE INDEX job_payloads_reply ON job_payloads (number) WHERE reply IS NOT NULL;
        """)
  }

  /// The params as they were submitted: NULL where that is not known, empty where nothing was filled in.
  static func addSubmitted(_ db: Database) throws {
    try db.execute(sql: "ALTER TABLE job_payloads ADD COLUMN submitted TEXT")
  }

  /// Who waits for a job, to be found when it ends; holds only those that are locked.
  static func addLocks(_ db: Database) throws {
    try db.execute(
      sql: "CREATE INDEX jobs_locked ON jobs (locked_by) WHERE locked_by IS NOT NULL")
  }

  /// When the newest attempt began; `NULL` too for a job that ran before the column was there.
  static func addAttemptStart(_ db: Database) throws {
    try db.execute(sql: "ALTER TABLE jobs ADD COLUMN attempt_started_at INTEGER")
  }

  private static func createJobs(_ db: Database) throws {
    let statuses = JobStatus.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
    let held = JobCounts.heldStatuses
    // Not WITHOUT ROWID: a dozen indexes point at a row, and with the number they do so in a few bytes instead of 16;
    // rows arrive in the order of their numbers, so that the table only grows at its end, whatever ids producers choose.
    // What can be large and seldom changes stands apart, so that a transition rewrites only a small row.
    try db.execute(
      sql: """
        CREATE TABLE jobs (
          number INTEGER PRIMARY KEY,
          id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
          tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
          user_id BLOB NOT NULL CHECK (length(user_id) = 16),
          idempotency_key BLOB NOT NULL CHECK (length(idempotency_key) = 16),
          type TEXT NOT NULL,
          queue TEXT NOT NULL,
          timeout_ms INTEGER NOT NULL CHECK (timeout_ms >= 0),
          max_retries INTEGER NOT NULL CHECK (max_retries >= 0),
          retry_delay_ms INTEGER NOT NULL CHECK (retry_delay_ms >= 0),
          backoff TEXT NOT NULL,
          max_retry_delay_ms INTEGER NOT NULL CHECK (max_retry_delay_ms >= 0),
          jitter REAL NOT NULL CHECK (jitter BETWEEN 0 AND 1),
          created_at INTEGER NOT NULL,
          status TEXT NOT NULL CHECK (status IN (\(statuses))),
          scheduled_at INTEGER NOT NULL,
          updated_at INTEGER NOT NULL,
          started_at INTEGER,
          eta INTEGER,
          locked_by BLOB CHECK (length(locked_by) = 16),
          progress REAL NOT NULL CHECK (progress BETWEEN 0 AND 100),
          progress_details TEXT NOT NULL,
          details TEXT NOT NULL,
          retries INTEGER NOT NULL CHECK (retries >= 0),
          error TEXT,
          attempt INTEGER NOT NULL CHECK (attempt >= 0),
          worker TEXT,
          claim BLOB CHECK (length(claim) = 16),
          lost_workers INTEGER NOT NULL CHECK (lost_workers >= 0),
          ticket_issued INTEGER NOT NULL CHECK (ticket_issued IN (0, 1)),
          UNIQUE (tenant_id, idempotency_key)
        ) STRICT;

        CREATE TABLE job_payloads (
          number INTEGER PRIMARY KEY REFERENCES jobs (number) ON DELETE CASCADE,
          params TEXT NOT NULL,
          result TEXT
        ) STRICT;

        -- A late ticket, report or repetition of a deleted job must not bring it back.
        CREATE TABLE job_tombstones (
          job_id BLOB NOT NULL PRIMARY KEY CHECK (length(job_id) = 16),
          deleted_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;

        -- What the dispatcher asks for; holds only what it has yet to issue. The last columns are there so that counting
        -- reads no rows: SQLite looks for what a condition names in the index, even where the index implies it.
        CREATE INDEX jobs_due ON jobs (scheduled_at, id, queue, status, ticket_issued)
          WHERE status = 'waiting' AND ticket_issued = 0;

        -- What each worker has; holds only what is held.
        CREATE INDEX jobs_held ON jobs (worker, status)
          WHERE status IN (\(held));
        """)
  }

  /// Two indexes for each order of lists: for one tenant and for all.
  ///
  /// With the status before the column, one of them serves every filter: SQLite merges the statuses that are asked for,
  /// each of which is already in order (see ``ListPlan``). The rowid at each index's end breaks ties.
  private static func createListIndexes(_ db: Database) throws {
    for column in ["id", "created_at", "scheduled_at", "updated_at", "started_at", "type", "queue"]
    {
      try db.execute(
        sql: """
          CREATE INDEX jobs_by_\(column) ON jobs (status, \(column));
          CREATE INDEX jobs_of_tenant_by_\(column) ON jobs (tenant_id, status, \(column));
          """)
    }
  }

  private static func createLog(_ db: Database) throws {
    // AUTOINCREMENT: a sequence is never used twice, even when retention has removed the newest rows.
    try db.execute(
      sql: """
        CREATE TABLE job_events (
          sequence INTEGER PRIMARY KEY AUTOINCREMENT,
          job_id BLOB NOT NULL CHECK (length(job_id) = 16),
          type TEXT NOT NULL,
          queue TEXT NOT NULL,
          from_status TEXT,
          to_status TEXT NOT NULL,
          at INTEGER NOT NULL,
          attempt INTEGER NOT NULL,
          worker TEXT,
          reason TEXT
        ) STRICT;

        CREATE INDEX job_events_by_job ON job_events (job_id);

        CREATE TRIGGER job_events_are_history BEFORE UPDATE ON job_events
        BEGIN
          SELECT raise(ABORT, 'the transition log is append-only');
        END;
        """)
  }

  /// How many jobs there are of each kind, kept by triggers: exact totals of every list, and the numbers of the queues,
  /// without counting a million rows.
  private static func createCounts(_ db: Database) throws {
    try db.execute(
      sql: """
        CREATE TABLE job_counts (
          tenant_id BLOB NOT NULL,
          queue TEXT NOT NULL,
          type TEXT NOT NULL,
          status TEXT NOT NULL,
          jobs INTEGER NOT NULL CHECK (jobs >= 0),
          PRIMARY KEY (tenant_id, queue, type, status)
        ) STRICT, WITHOUT ROWID;

        CREATE TRIGGER jobs_count_insert AFTER INSERT ON jobs
        BEGIN
          INSERT INTO job_counts VALUES (new.tenant_id, new.queue, new.type, new.status, 1)
            ON CONFLICT DO UPDATE SET jobs = jobs + 1;
        END;

        CREATE TRIGGER jobs_count_update AFTER UPDATE OF status ON jobs
          WHEN new.status <> old.status
        BEGIN
          UPDATE job_counts SET jobs = jobs - 1
            WHERE tenant_id = old.tenant_id AND queue = old.queue AND type = old.type
              AND status = old.status;
          INSERT INTO job_counts VALUES (new.tenant_id, new.queue, new.type, new.status, 1)
            ON CONFLICT DO UPDATE SET jobs = jobs + 1;
        END;

        CREATE TRIGGER jobs_count_delete AFTER DELETE ON jobs
        BEGIN
          UPDATE job_counts SET jobs = jobs - 1
            WHERE tenant_id = old.tenant_id AND queue = old.queue AND type = old.type
              AND status = old.status;
        END;
        """)
  }
}
