-- Quotas of machines, and what the store held on the last days.
ALTER TABLE machine ADD COLUMN quota_bytes INTEGER CHECK (quota_bytes >= 0); -- 0: none at all; NULL: what [quota] machine says
ALTER TABLE machine ADD COLUMN quota_group TEXT NOT NULL DEFAULT '';         -- whose quota it shares; empty: none

CREATE TABLE space_sample (
    what       TEXT NOT NULL,    -- 'file-system', 'store', 'group/NAME'
    day        INTEGER NOT NULL, -- since 1970, UTC
    used_bytes INTEGER NOT NULL CHECK (used_bytes >= 0),
    PRIMARY KEY (what, day)
) WITHOUT ROWID;
