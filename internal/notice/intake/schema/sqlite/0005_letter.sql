-- +goose Up
-- A mailbox to which people write: the channel of the duty rosters that looks after
-- it, the emergency route that an answer names, and the words that make a letter
-- urgent. Empty: it takes reports.
ALTER TABLE intake_mailbox ADD COLUMN channel TEXT NOT NULL DEFAULT '';
ALTER TABLE intake_mailbox ADD COLUMN route TEXT NOT NULL DEFAULT '';
ALTER TABLE intake_mailbox ADD COLUMN urgent TEXT NOT NULL DEFAULT '';
-- That a letter came, and what became of it: nothing of what it says, and its sender
-- as a digest.
CREATE TABLE intake_letter (
  tenant_id TEXT NOT NULL,
  source    TEXT NOT NULL,
  hash      TEXT NOT NULL,
  sender    TEXT NOT NULL,
  at        TIMESTAMP NOT NULL,
  urgent    BOOLEAN NOT NULL,
  outcome   TEXT NOT NULL,
  PRIMARY KEY (tenant_id, source, hash)
);
CREATE INDEX intake_letter_sender ON intake_letter (tenant_id, source, sender, at);
CREATE INDEX intake_letter_age ON intake_letter (at);
