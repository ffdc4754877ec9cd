-- Persistent reservations that an initiator wants kept over a loss of power (SPC-4 5.12.5, APTPL). Others are in memory alone.
CREATE TABLE reservation (
    unit TEXT PRIMARY KEY,                -- serial number of the logical unit (VPD page 80)
    type INTEGER NOT NULL                 -- SPC-4 table 60; 0: registrations alone, nobody holds the unit
) STRICT, WITHOUT ROWID;

CREATE TABLE registration (
    unit           TEXT NOT NULL REFERENCES reservation (unit) ON DELETE CASCADE,
    initiator_port TEXT NOT NULL,         -- iSCSI name, ",i,0x", ISID
    target_port    INTEGER NOT NULL,      -- relative target port
    position       INTEGER NOT NULL,      -- READ KEYS lists them in this order
    key            TEXT NOT NULL,         -- 16 hexadecimal digits
    holder         INTEGER NOT NULL CHECK (holder IN (0, 1)),
    PRIMARY KEY (unit, initiator_port, target_port)
) STRICT, WITHOUT ROWID;
