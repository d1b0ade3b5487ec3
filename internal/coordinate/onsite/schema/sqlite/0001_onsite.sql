-- +goose Up
CREATE TABLE onsite_report (
  tenant_id    TEXT NOT NULL,
  id           TEXT NOT NULL,
  incident_id  TEXT NOT NULL,
  at           TIMESTAMP NOT NULL,
  person       TEXT NOT NULL,
  by_name      TEXT NOT NULL,
  text         TEXT NOT NULL,
  place        TEXT NOT NULL,
  source       TEXT NOT NULL, -- of the position: typed, photo, device; empty: there is none
  lat          REAL NOT NULL,
  lon          REAL NOT NULL,
  accuracy     REAL NOT NULL,
  photo_sum    TEXT NOT NULL, -- SHA-256; empty: there was none
  photo_width  INTEGER NOT NULL,
  photo_height INTEGER NOT NULL,
  sent_key     TEXT, -- of what was sent; sent twice it is one
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, sent_key),
  CHECK (lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180)
);
CREATE INDEX onsite_report_incident ON onsite_report (tenant_id, incident_id);
CREATE TABLE onsite_photo (
  tenant_id TEXT NOT NULL,
  report_id TEXT NOT NULL,
  at        TIMESTAMP NOT NULL,
  data      BLOB NOT NULL, -- sealed JPEG
  PRIMARY KEY (tenant_id, report_id)
);
CREATE TABLE onsite_identity (
  tenant_id   TEXT NOT NULL,
  id          TEXT NOT NULL,
  incident_id TEXT NOT NULL,
  at          TIMESTAMP NOT NULL,
  until_at    TIMESTAMP NOT NULL,
  person      TEXT NOT NULL,
  by_name     TEXT NOT NULL,
  purpose     TEXT NOT NULL,
  outcome     TEXT NOT NULL,
  has_copy    BOOLEAN NOT NULL,
  gone_at     TIMESTAMP,
  gone_why    TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CHECK (until_at > at),
  CHECK ((gone_at IS NULL) = (gone_why = ''))
);
CREATE INDEX onsite_identity_incident ON onsite_identity (tenant_id, incident_id);
CREATE INDEX onsite_identity_due ON onsite_identity (until_at) WHERE gone_at IS NULL;
-- What leads to a person; in no backup, see package backup.
CREATE TABLE onsite_fleeting (
  tenant_id TEXT NOT NULL,
  check_id  TEXT NOT NULL,
  until_at  TIMESTAMP NOT NULL,
  data      BLOB NOT NULL, -- sealed: name, kind of document, what for
  picture   BLOB,          -- sealed JPEG, marked as a copy
  sent_key  TEXT,   -- of what was sent; sent twice it is one
  UNIQUE (tenant_id, sent_key),
  PRIMARY KEY (tenant_id, check_id)
);
CREATE INDEX onsite_fleeting_due ON onsite_fleeting (until_at);
CREATE TABLE onsite_copies (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  allowed   BOOLEAN NOT NULL,
  reason    TEXT NOT NULL,
  by_name   TEXT NOT NULL,
  at        TIMESTAMP NOT NULL
);
-- What was reported never changes.
-- +goose StatementBegin
CREATE TRIGGER onsite_report_frozen BEFORE UPDATE ON onsite_report
BEGIN SELECT RAISE(ABORT, 'onsite: a report never changes'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER onsite_report_kept BEFORE DELETE ON onsite_report
BEGIN SELECT RAISE(ABORT, 'onsite: a report stays'); END;
-- +goose StatementEnd
-- The time until which something is kept is promised and never put off.
-- +goose StatementBegin
CREATE TRIGGER onsite_identity_frozen BEFORE UPDATE ON onsite_identity
WHEN NEW.at <> OLD.at OR NEW.until_at <> OLD.until_at OR NEW.purpose <> OLD.purpose OR NEW.outcome <> OLD.outcome
  OR NEW.by_name <> OLD.by_name OR NEW.incident_id <> OLD.incident_id OR OLD.gone_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'onsite: a check never changes'); END;
-- +goose StatementEnd
-- That it was checked, and that it is gone, is the proof.
-- +goose StatementBegin
CREATE TRIGGER onsite_identity_kept BEFORE DELETE ON onsite_identity
BEGIN SELECT RAISE(ABORT, 'onsite: a check stays'); END;
-- +goose StatementEnd
