-- CD-ROMs: volumes that show an ISO image of the host; and volumes that are elsewhere for a while. The table is made anew, because SQLite cannot change what
-- a CHECK allows; its initiators are put aside meanwhile, because they go with the rows that they refer to.
CREATE TABLE initiator_before AS SELECT * FROM volume_initiator;
DROP TABLE volume_initiator;
ALTER TABLE volume RENAME TO volume_before;

CREATE TABLE volume (
    name               TEXT PRIMARY KEY,
    size_bytes         INTEGER NOT NULL,
    file               TEXT NOT NULL UNIQUE,             -- of what has none in the data directory: something unique
    created_ms         INTEGER NOT NULL,
    layer              TEXT REFERENCES layer (file) ON DELETE RESTRICT,
    chap_user          TEXT NOT NULL DEFAULT '',
    chap_secret        TEXT NOT NULL DEFAULT '',
    mutual_chap_user   TEXT NOT NULL DEFAULT '',
    mutual_chap_secret TEXT NOT NULL DEFAULT '',
    kind               TEXT NOT NULL DEFAULT 'disk' CHECK (kind IN ('disk', 'volatile', 'cdrom')),
    block_size         INTEGER NOT NULL DEFAULT 512 CHECK (block_size IN (512, 2048, 4096)),
    read_only          INTEGER NOT NULL DEFAULT 0 CHECK (read_only IN (0, 1)),
    iso                TEXT NOT NULL DEFAULT '',         -- of a CD-ROM: the path of the file
    iso_modified_ns    INTEGER NOT NULL DEFAULT 0,       -- with the size: what a changed file is noticed by
    moved_to           TEXT NOT NULL DEFAULT ''          -- another server's portal, where initiators are sent; empty: none
) STRICT, WITHOUT ROWID;
INSERT INTO volume (name, size_bytes, file, created_ms, layer, chap_user, chap_secret, mutual_chap_user, mutual_chap_secret, kind, block_size, read_only)
    SELECT name, size_bytes, file, created_ms, layer, chap_user, chap_secret, mutual_chap_user, mutual_chap_secret, kind, block_size, read_only
    FROM volume_before;
DROP TABLE volume_before;
CREATE INDEX volume_layer ON volume (layer);

CREATE TABLE volume_initiator (
    volume    TEXT NOT NULL REFERENCES volume (name) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    initiator TEXT NOT NULL,
    PRIMARY KEY (volume, position)
) STRICT, WITHOUT ROWID;
INSERT INTO volume_initiator (volume, position, initiator) SELECT volume, position, initiator FROM initiator_before;
DROP TABLE initiator_before;
