-- What the bytes of immutable files are (docs/images.md, "Guard"): a hash tree over pieces of 2 MiB, and what the last verification found.
CREATE TABLE content (
    file        TEXT PRIMARY KEY,          -- relative to the data directory; of no matter what the file is part of
    data_write_guid TEXT NOT NULL,         -- of the file then: one that was written anew under its name has no record
    file_size   INTEGER NOT NULL,
    root        TEXT NOT NULL,             -- 64 hexadecimal digits; stands for all leaves
    verified_ms INTEGER,                   -- NULL: not since it was imported
    damage      TEXT NOT NULL DEFAULT '',  -- "offset+length" in bytes, with blanks between; empty: sound
    leaves      BLOB NOT NULL              -- 32 bytes a piece; last, so that lists need not read it
) STRICT;
