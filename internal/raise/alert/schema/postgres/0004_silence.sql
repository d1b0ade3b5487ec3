-- +goose Up
-- What somebody has silenced, for a time. It always has an end.
CREATE TABLE alert_silence (
  tenant_id    TEXT NOT NULL,
  id           TEXT NOT NULL,
  service      TEXT NOT NULL,     -- empty: any; what is given must all fit
  source       TEXT NOT NULL,
  monitor      TEXT NOT NULL,
  labels       TEXT NOT NULL,     -- as JSON
  starts_at    TIMESTAMPTZ(3) NOT NULL,
  ends_at      TIMESTAMPTZ(3) NOT NULL,
  begun        BOOLEAN NOT NULL,  -- it was put over what fired when it began
  reason       TEXT NOT NULL,
  created_at   TIMESTAMPTZ(3) NOT NULL,
  created_by   TEXT NOT NULL,
  created_name TEXT NOT NULL,
  ended_at     TIMESTAMPTZ(3),         -- when somebody lifted it
  ended_name   TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX alert_silence_ends ON alert_silence (tenant_id, ends_at);
CREATE INDEX alert_silence_starts ON alert_silence (starts_at) WHERE NOT begun;

-- Firing sources whose alarm is held back, and by what. The alert that they are
-- in is silent while all of its firing sources are.
CREATE TABLE alert_hold (
  tenant_id TEXT NOT NULL,
  key       TEXT NOT NULL,
  alert_id  TEXT NOT NULL,
  reason    TEXT NOT NULL,
  ref       TEXT NOT NULL,        -- the silence, or the alert that is the cause
  at        TIMESTAMPTZ(3) NOT NULL,
  due_at    TIMESTAMPTZ(3),            -- when to look whether it still holds; none: when the cause is over
  PRIMARY KEY (tenant_id, alert_id, key)
);
CREATE INDEX alert_hold_ref ON alert_hold (tenant_id, ref);
CREATE INDEX alert_hold_due ON alert_hold (due_at) WHERE due_at IS NOT NULL;

ALTER TABLE alert_alert ADD COLUMN held TEXT NOT NULL DEFAULT '';
ALTER TABLE alert_signal ADD COLUMN labels TEXT NOT NULL DEFAULT '';
