-- A database of schema 1, made with the sqlite3 shell from data/schema/0001_initial.sql as it was then. Never to be changed: later versions
-- of the program must be able to open it.
CREATE TABLE layer (
    file            TEXT PRIMARY KEY,
    parent          TEXT REFERENCES layer (file) ON DELETE RESTRICT,
    origin          TEXT NOT NULL,
    data_write_guid TEXT NOT NULL,
    virtual_size    INTEGER NOT NULL,
    file_size       INTEGER NOT NULL,
    created_ms      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX layer_parent ON layer (parent);
CREATE TABLE image (
    name    TEXT PRIMARY KEY,
    current INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE version (
    image      TEXT NOT NULL REFERENCES image (name) ON DELETE CASCADE,
    number     INTEGER NOT NULL CHECK (number > 0),
    file       TEXT NOT NULL UNIQUE REFERENCES layer (file) ON DELETE RESTRICT,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (image, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE overlay (
    machine    TEXT PRIMARY KEY,
    image      TEXT NOT NULL,
    version    INTEGER NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('persistent', 'reset')),
    file       TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    layer      TEXT NOT NULL REFERENCES layer (file) ON DELETE RESTRICT,
    restore    TEXT NOT NULL,
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
CREATE TABLE snapshot (
    disk_kind  TEXT NOT NULL CHECK (disk_kind IN ('machine', 'volume')),
    disk       TEXT NOT NULL,
    name       TEXT NOT NULL,
    layer      TEXT NOT NULL REFERENCES layer (file) ON DELETE RESTRICT,
    image      TEXT,
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
CREATE TABLE machine (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    image      TEXT NOT NULL,
    mode       TEXT NOT NULL,
    address    TEXT UNIQUE,
    generation INTEGER NOT NULL CHECK (generation > 0)
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
    chap_secret TEXT NOT NULL
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
    mac        TEXT NOT NULL UNIQUE,
    host_name  TEXT NOT NULL,
    granted_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
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
PRAGMA application_id = 1383034740;
PRAGMA user_version = 1;
INSERT INTO image VALUES ('debian12', 1);
INSERT INTO layer VALUES ('images/debian12/v0001.vhdx', NULL, '', '6b0b1f8e-52f1-4a43-9d0c-0c9fb6a6f3b1', 1073741824, 310378496, 1767225600000);
INSERT INTO version VALUES ('debian12', 1, 'images/debian12/v0001.vhdx', 1767225600000);
INSERT INTO machine VALUES (1, 'lab1-07', 'debian12', 'persistent', '10.20.0.7', 2);
INSERT INTO machine_mac VALUES ('52:54:00:bb:00:07', 1, 1);
INSERT INTO retired_mac VALUES ('52:54:00:aa:00:07', 1, '52:54:00:bb:00:07', 1, 1767225700000);
INSERT INTO overlay VALUES ('lab1-07', 'debian12', 1, 'persistent', 'overlays/lab1-07.vhdx', 1767225650000, 'images/debian12/v0001.vhdx', '');
INSERT INTO volume VALUES ('data', 1073741824, 'volumes/data.vhdx', 1767225650000, NULL);
INSERT INTO volume_initiator VALUES ('data', 1, '*');
INSERT INTO unknown VALUES ('52:54:00:cc:00:01', NULL, 'x86-64 UEFI', '', '', '', '10.20.0.101', 1767225800000, 1767225900000);
INSERT INTO boot VALUES (1, 1, '52:54:00:aa:00:07', 1, 1767225640000, 'running', '', '00112233445566778899aabbccddeeff');
INSERT INTO boot_stage VALUES (1, 'discover', 1767225640000, 'x86-64 UEFI');
INSERT INTO boot_stage VALUES (1, 'script', 1767225643000, '');
INSERT INTO lease VALUES ('10.20.0.7', '52:54:00:bb:00:07', 'lab1-07', 1767225710000, 1767268910000);
INSERT INTO applied_config VALUES ('machine/lab1-07/mac', '52:54:00:aa:00:07');
INSERT INTO audit VALUES (1, 1767225700000, 'machine.replace', 'lab1-07', '52:54:00:aa:00:07 -> 52:54:00:bb:00:07', 'web');
