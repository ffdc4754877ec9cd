-- Kinds of volumes. A volatile one is in memory and has no file: what stands in its place only has to be unique.
ALTER TABLE volume ADD COLUMN kind TEXT NOT NULL DEFAULT 'disk' CHECK (kind IN ('disk', 'volatile'));
ALTER TABLE volume ADD COLUMN block_size INTEGER NOT NULL DEFAULT 512 CHECK (block_size IN (512, 4096));
ALTER TABLE volume ADD COLUMN read_only INTEGER NOT NULL DEFAULT 0 CHECK (read_only IN (0, 1));
