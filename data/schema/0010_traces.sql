-- What a boot of a version reads from its master.
CREATE TABLE trace (
    image       TEXT NOT NULL,
    version     INTEGER NOT NULL,
    machine     TEXT NOT NULL,           -- whose boot it was
    recorded_ms INTEGER NOT NULL,
    reads       INTEGER NOT NULL CHECK (reads >= 0),
    bytes       INTEGER NOT NULL CHECK (bytes >= 0), -- without what was read twice
    blocks      BLOB NOT NULL,           -- numbers of blocks of 2 MiB of the disk, ascending: 4 bytes each, the lowest first
    PRIMARY KEY (image, version),
    FOREIGN KEY (image, version) REFERENCES version (image, number) ON DELETE CASCADE
) STRICT;
