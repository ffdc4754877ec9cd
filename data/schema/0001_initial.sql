-- The first schema (docs/database.md). Times are milliseconds since 1970 UTC; MACs are lower case with colons; addresses are dotted.

-- Layers: immutable VHDX files, each on at most one other. What anything names cannot go.
CREATE TABLE layer (
    file            TEXT PRIMARY KEY,     -- relative to the data directory
    parent          TEXT REFERENCES layer (file) ON DELETE RESTRICT,
    origin          TEXT NOT NULL,        -- where the file lies until its move to `file` is done; empty: it is there
    data_write_guid TEXT NOT NULL,        -- with the sizes: what a swapped or changed file is noticed by
    virtual_size    INTEGER NOT NULL,
    file_size       INTEGER NOT NULL,
    created_ms      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX layer_parent ON layer (parent);

-- Images: each version is a layer.
CREATE TABLE image (
    name    TEXT PRIMARY KEY,
    current INTEGER NOT NULL              -- the version that new overlays get
) STRICT, WITHOUT ROWID;

CREATE TABLE version (
    image      TEXT NOT NULL REFERENCES image (name) ON DELETE CASCADE,
    number     INTEGER NOT NULL CHECK (number > 0),
    file       TEXT NOT NULL UNIQUE REFERENCES layer (file) ON DELETE RESTRICT,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (image, number)
) STRICT, WITHOUT ROWID;

-- One row says who owns an overlay; the version that it began as cannot go, nor the layer that it stands on.
CREATE TABLE overlay (
    machine    TEXT PRIMARY KEY,
    image      TEXT NOT NULL,
    version    INTEGER NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('persistent', 'reset')),
    file       TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    layer      TEXT NOT NULL REFERENCES layer (file) ON DELETE RESTRICT,
    restore    TEXT NOT NULL,             -- the snapshot that the next boot goes back to; empty: none
    FOREIGN KEY (image, version) REFERENCES version (image, number) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;
CREATE INDEX overlay_version ON overlay (image, version);
CREATE INDEX overlay_layer ON overlay (layer);

CREATE TABLE volume (
    name       TEXT PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    file       TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    layer      TEXT REFERENCES layer (file) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;
CREATE INDEX volume_layer ON volume (layer);

-- What a disk was at one moment. They outlive their disk, which a reset throws away.
CREATE TABLE snapshot (
    disk_kind  TEXT NOT NULL CHECK (disk_kind IN ('machine', 'volume')),
    disk       TEXT NOT NULL,
    name       TEXT NOT NULL,
    layer      TEXT NOT NULL REFERENCES layer (file) ON DELETE RESTRICT,
    image      TEXT,                      -- of a machine's disk: what it began as
    version    INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (disk_kind, disk, name),
    FOREIGN KEY (image, version) REFERENCES version (image, number) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;
CREATE INDEX snapshot_layer ON snapshot (layer);
CREATE INDEX snapshot_version ON snapshot (image, version);

CREATE TABLE volume_initiator (
    volume    TEXT NOT NULL REFERENCES volume (name) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    initiator TEXT NOT NULL,
    PRIMARY KEY (volume, position)
) STRICT, WITHOUT ROWID;

-- Machines: seats. The image may be imported later.
CREATE TABLE machine (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    image      TEXT NOT NULL,
    mode       TEXT NOT NULL,
    address    TEXT UNIQUE,
    generation INTEGER NOT NULL CHECK (generation > 0) -- raised by each replacement of the PC
) STRICT;

CREATE TABLE machine_mac (
    mac      TEXT PRIMARY KEY,
    machine  INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX machine_mac_machine ON machine_mac (machine);

CREATE TABLE retired_mac (
    mac         TEXT PRIMARY KEY,
    machine     INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
    replaced_by TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    when_ms     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX retired_mac_machine ON retired_mac (machine, when_ms);

-- MACs that asked to boot and belong to no machine.
CREATE TABLE unknown (
    mac           TEXT PRIMARY KEY,
    uuid          TEXT,
    architecture  TEXT NOT NULL,
    manufacturer  TEXT NOT NULL,
    product       TEXT NOT NULL,
    serial        TEXT NOT NULL,
    address       TEXT,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Whoever gets a MAC: it is neither unknown nor retired any more, in the same transaction.
CREATE TRIGGER machine_mac_is_known AFTER INSERT ON machine_mac BEGIN
    DELETE FROM unknown WHERE mac = NEW.mac;
    DELETE FROM retired_mac WHERE mac = NEW.mac;
END;

CREATE TABLE boot (
    id          INTEGER PRIMARY KEY,
    machine     INTEGER REFERENCES machine (id) ON DELETE SET NULL,
    mac         TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    started_ms  INTEGER NOT NULL,
    outcome     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    chap_secret TEXT NOT NULL             -- of this boot's disk alone
) STRICT;
CREATE INDEX boot_machine ON boot (machine, id);

CREATE TABLE boot_stage (
    boot    INTEGER NOT NULL REFERENCES boot (id) ON DELETE CASCADE,
    stage   TEXT NOT NULL,
    when_ms INTEGER NOT NULL,
    detail  TEXT NOT NULL,
    PRIMARY KEY (boot, stage)
) STRICT, WITHOUT ROWID;

CREATE TABLE lease (
    address    TEXT PRIMARY KEY,
    mac        TEXT NOT NULL UNIQUE,      -- firmware, iPXE, initramfs and OS get the same address
    host_name  TEXT NOT NULL,
    granted_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the configuration file said when it was applied last.
CREATE TABLE applied_config (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    when_ms INTEGER NOT NULL,
    action  TEXT NOT NULL,
    object  TEXT NOT NULL,
    detail  TEXT NOT NULL,
    who     TEXT NOT NULL
) STRICT;
