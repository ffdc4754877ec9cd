-- CHAP for a volume (RFC 7143 section 12.1.3): who an initiator must prove to be, and what we prove to it. Empty: nothing is asked.
ALTER TABLE volume ADD COLUMN chap_user TEXT NOT NULL DEFAULT '';
ALTER TABLE volume ADD COLUMN chap_secret TEXT NOT NULL DEFAULT '';
ALTER TABLE volume ADD COLUMN mutual_chap_user TEXT NOT NULL DEFAULT '';
ALTER TABLE volume ADD COLUMN mutual_chap_secret TEXT NOT NULL DEFAULT '';
