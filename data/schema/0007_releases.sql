-- Which machines get which version of an image, and from when on. Releases that are over stay as the image's history.
CREATE TABLE release (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    image         TEXT NOT NULL REFERENCES image (name) ON DELETE CASCADE,
    version       INTEGER NOT NULL,
    previous      INTEGER NOT NULL,       -- current when it was made
    audience      TEXT NOT NULL CHECK (audience IN ('all', 'machines', 'percent')),
    percent       INTEGER NOT NULL CHECK (percent BETWEEN 1 AND 100),
    starts_ms     INTEGER NOT NULL,
    watched       INTEGER NOT NULL CHECK (watched IN (0, 1)),
    minimum_boots INTEGER NOT NULL,
    minimum_share INTEGER NOT NULL,       -- percent
    state         TEXT NOT NULL CHECK (state IN ('active', 'rolled_back', 'ended')),
    detail        TEXT NOT NULL,
    created_ms    INTEGER NOT NULL
) STRICT;
CREATE INDEX release_image ON release (image, id);

CREATE TABLE release_machine (
    release INTEGER NOT NULL REFERENCES release (id) ON DELETE CASCADE,
    machine TEXT NOT NULL,
    PRIMARY KEY (release, machine)
) STRICT, WITHOUT ROWID;

-- The one machine that writes the next version of an image. The overlay that it had before belongs to "MACHINE.kept" meanwhile.
CREATE TABLE maintenance (
    image    TEXT PRIMARY KEY REFERENCES image (name) ON DELETE RESTRICT,
    machine  TEXT NOT NULL UNIQUE,
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE machine ADD COLUMN former_mode TEXT NOT NULL DEFAULT 'persistent'; -- of a machine in maintenance

-- What a boot's disk stood on: for counting how a version does.
ALTER TABLE boot ADD COLUMN image TEXT NOT NULL DEFAULT '';
ALTER TABLE boot ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
