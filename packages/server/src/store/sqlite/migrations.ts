// Numbered migrations: the position in this list is the schema's version. Never edit one that was
// released; append the next.

export const migrations: readonly string[] = [
  `
  CREATE TABLE tasks (
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    status      TEXT NOT NULL,
    -- pending: may be claimed. blocked: waits for an earlier task of its session.
    -- claimed, started: held by a worker. lost: a late result may still replace it. finished.
    state       TEXT NOT NULL,
    selector    TEXT NOT NULL,
    priority    INTEGER NOT NULL,
    session     TEXT,
    timeout_ms  INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    deliver_by  INTEGER NOT NULL,
    fence       INTEGER NOT NULL DEFAULT 0,
    worker      TEXT,
    instance    TEXT,
    leased      INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER,
    started_at  INTEGER,
    completed_at INTEGER,
    cancel_at   INTEGER,
    read_at     INTEGER,
    outcome     TEXT,
    exit_code   INTEGER,
    idem_key    TEXT,
    idem_digest TEXT,
    summary     TEXT NOT NULL
  ) STRICT;
  -- Bodies apart from the rows that change, so that a state change never rewrites 30 MB.
  CREATE TABLE specs (seq INTEGER PRIMARY KEY, spec TEXT NOT NULL, metadata TEXT) STRICT;
  CREATE TABLE results (seq INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;

  CREATE INDEX tasks_ready   ON tasks (selector, priority DESC, seq) WHERE state = 'pending';
  CREATE INDEX tasks_session ON tasks (session, seq)
    WHERE session IS NOT NULL AND state IN ('pending', 'blocked', 'claimed', 'started');
  CREATE INDEX tasks_deliver ON tasks (deliver_by) WHERE state IN ('pending', 'blocked');
  CREATE INDEX tasks_lease   ON tasks (lease_until) WHERE state IN ('claimed', 'started');
  CREATE INDEX tasks_cancel  ON tasks (instance)
    WHERE cancel_at IS NOT NULL AND state IN ('claimed', 'started');
  CREATE INDEX tasks_ended   ON tasks (completed_at) WHERE state IN ('lost', 'finished');
  CREATE UNIQUE INDEX tasks_idem ON tasks (idem_key) WHERE idem_key IS NOT NULL;
  CREATE INDEX tasks_status  ON tasks (status, seq);
  CREATE INDEX tasks_kind    ON tasks (kind, seq);
  CREATE INDEX tasks_worker  ON tasks (worker, seq) WHERE worker IS NOT NULL;

  -- Exact counts, kept by the same transaction that changes a task.
  CREATE TABLE counts (status TEXT PRIMARY KEY, total INTEGER NOT NULL, unread INTEGER NOT NULL) STRICT;
  INSERT INTO counts VALUES ('pending', 0, 0), ('running', 0, 0), ('completed', 0, 0), ('failed', 0, 0);
  CREATE TABLE ready (selector TEXT PRIMARY KEY, tasks INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TRIGGER tasks_inserted AFTER INSERT ON tasks BEGIN
    UPDATE counts SET total = total + 1, unread = unread + (NEW.read_at IS NULL)
      WHERE status = NEW.status;
  END;
  CREATE TRIGGER tasks_inserted_ready AFTER INSERT ON tasks WHEN NEW.state = 'pending' BEGIN
    INSERT INTO ready VALUES (NEW.selector, 1) ON CONFLICT DO UPDATE SET tasks = tasks + 1;
  END;
  CREATE TRIGGER tasks_deleted AFTER DELETE ON tasks BEGIN
    UPDATE counts SET total = total - 1, unread = unread - (OLD.read_at IS NULL)
      WHERE status = OLD.status;
  END;
  CREATE TRIGGER tasks_moved AFTER UPDATE OF status, read_at ON tasks
    WHEN OLD.status <> NEW.status OR (OLD.read_at IS NULL) <> (NEW.read_at IS NULL) BEGIN
    UPDATE counts SET total = total - 1, unread = unread - (OLD.read_at IS NULL)
      WHERE status = OLD.status;
    UPDATE counts SET total = total + 1, unread = unread + (NEW.read_at IS NULL)
      WHERE status = NEW.status;
  END;
  CREATE TRIGGER tasks_became_ready AFTER UPDATE OF state ON tasks
    WHEN NEW.state = 'pending' AND OLD.state <> 'pending' BEGIN
    INSERT INTO ready VALUES (NEW.selector, 1) ON CONFLICT DO UPDATE SET tasks = tasks + 1;
  END;
  CREATE TRIGGER tasks_left_ready AFTER UPDATE OF state ON tasks
    WHEN OLD.state = 'pending' AND NEW.state <> 'pending' BEGIN
    UPDATE ready SET tasks = tasks - 1 WHERE selector = OLD.selector;
    DELETE FROM ready WHERE selector = OLD.selector AND tasks <= 0;
  END;

  CREATE TABLE sessions (
    session       TEXT PRIMARY KEY,
    kind          TEXT NOT NULL,
    tasks         INTEGER NOT NULL,
    last_activity INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX sessions_recent ON sessions (last_activity);

  CREATE TABLE events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    type       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    task_id    TEXT,
    details    TEXT
  ) STRICT;

  CREATE TABLE workers (
    name          TEXT PRIMARY KEY,
    instance      TEXT NOT NULL,
    labels        TEXT NOT NULL,
    version       TEXT,
    platform      TEXT,
    slots         INTEGER,
    policy_digest TEXT,
    last_seen_at  INTEGER NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE specs ADD COLUMN reason TEXT;
  ALTER TABLE specs ADD COLUMN proof TEXT;
  -- The approval that it waits for; the newest, when there are several.
  ALTER TABLE tasks ADD COLUMN approval TEXT;
  ALTER TABLE workers ADD COLUMN public_key TEXT;

  CREATE TABLE approvals (
    id         TEXT PRIMARY KEY,
    -- Position among all changes: what a reader has seen up to.
    change     INTEGER NOT NULL UNIQUE,
    task_id    TEXT NOT NULL,
    worker     TEXT NOT NULL,
    fence      INTEGER NOT NULL,
    state      TEXT NOT NULL,
    digest     TEXT NOT NULL,
    request    TEXT NOT NULL,
    levels     TEXT NOT NULL,
    reason     TEXT,
    decided_by TEXT,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX approvals_state   ON approvals (state, change);
  CREATE INDEX approvals_task    ON approvals (task_id);
  CREATE INDEX approvals_waiting ON approvals (task_id) WHERE state = 'waiting';
  CREATE INDEX approvals_worker  ON approvals (worker) WHERE state = 'waiting';
  CREATE INDEX approvals_ended   ON approvals (updated_at) WHERE state <> 'waiting';
  CREATE TABLE changes (last INTEGER NOT NULL) STRICT;
  INSERT INTO changes VALUES (0);

  -- Envelopes on their way to workers, about an approval or a stop.
  CREATE TABLE letters (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    worker     TEXT NOT NULL,
    about      TEXT NOT NULL,
    envelope   TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX letters_about  ON letters (about);
  CREATE INDEX letters_worker ON letters (worker);

  CREATE TABLE halts (worker TEXT PRIMARY KEY, ordered TEXT, stopped TEXT) STRICT;

  -- Copies of the workers' audit logs: entries by number, nodes of the tree by place.
  CREATE TABLE witness (
    worker   TEXT PRIMARY KEY,
    version  INTEGER NOT NULL,
    known    TEXT,
    alarm    TEXT,
    alarm_at INTEGER,
    evidence TEXT
  ) STRICT;
  CREATE TABLE audit_entries (
    worker TEXT NOT NULL, seq INTEGER NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (worker, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE audit_nodes (
    worker TEXT NOT NULL, place INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (worker, place)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE actions (
    seq    INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    source TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    prev   TEXT NOT NULL,
    hash   TEXT NOT NULL
  ) STRICT;
  `,
];
