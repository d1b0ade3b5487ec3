-- +goose Up
CREATE TABLE alert_alert (
  tenant_id         TEXT NOT NULL,
  id                TEXT NOT NULL,
  key               TEXT NOT NULL,
  service           TEXT NOT NULL,
  state             TEXT NOT NULL,
  severity          TEXT NOT NULL,
  title             TEXT NOT NULL,
  detail            TEXT NOT NULL,
  since             TIMESTAMPTZ(3) NOT NULL,
  first_signal_at   TIMESTAMPTZ(3) NOT NULL,
  first_path        TEXT NOT NULL,
  opened_at         TIMESTAMPTZ(3) NOT NULL,
  acknowledged_at   TIMESTAMPTZ(3),
  acknowledged_by   TEXT NOT NULL,
  acknowledged_name TEXT NOT NULL,
  closed_at         TIMESTAMPTZ(3),
  closed_name       TEXT NOT NULL,
  closed_reason     TEXT NOT NULL,
  incident_id       TEXT NOT NULL,
  woken             BIGINT NOT NULL, -- people told; 0: nobody was responsible yet
  retry_at          TIMESTAMPTZ(3),       -- when to look for somebody (else)
  PRIMARY KEY (tenant_id, id)
);
-- At most one alert of a key is not closed.
CREATE UNIQUE INDEX alert_alert_open ON alert_alert (tenant_id, key) WHERE state <> 'closed';
CREATE INDEX alert_alert_state ON alert_alert (tenant_id, state, id);
CREATE INDEX alert_alert_service ON alert_alert (tenant_id, service, id);
CREATE INDEX alert_alert_incident ON alert_alert (tenant_id, incident_id);
CREATE INDEX alert_alert_retry ON alert_alert (retry_at) WHERE retry_at IS NOT NULL;

-- The sources of one alert, by the signal's key.
CREATE TABLE alert_signal (
  tenant_id   TEXT NOT NULL,
  alert_id    TEXT NOT NULL,
  key         TEXT NOT NULL,
  signal_id   TEXT NOT NULL,
  path        TEXT NOT NULL,
  state       TEXT NOT NULL,
  severity    TEXT NOT NULL,
  title       TEXT NOT NULL,
  detail      TEXT NOT NULL,
  since       TIMESTAMPTZ(3) NOT NULL,
  at          TIMESTAMPTZ(3) NOT NULL,
  resolved_at TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, alert_id, key)
);

-- What is known of each signal's key, and the open alert that it is in.
CREATE TABLE alert_source (
  tenant_id TEXT NOT NULL,
  key       TEXT NOT NULL,
  seq       BIGINT NOT NULL,
  state     TEXT NOT NULL,
  alert_id  TEXT NOT NULL,
  PRIMARY KEY (tenant_id, key)
);

-- One row per tenant, held while signals are folded: two nodes take turns.
CREATE TABLE alert_turn (
  tenant_id TEXT NOT NULL PRIMARY KEY
);

-- Why somebody was woken, or was not.
CREATE TABLE alert_decision (
  tenant_id TEXT NOT NULL,
  alert_id  TEXT NOT NULL,
  person_id TEXT NOT NULL,
  name      TEXT NOT NULL,
  woken     BOOLEAN NOT NULL,
  reason    TEXT NOT NULL,
  at        TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, alert_id, person_id)
);

-- Who got which message.
CREATE TABLE alert_notified (
  tenant_id  TEXT NOT NULL,
  message_id TEXT NOT NULL,
  alert_id   TEXT NOT NULL,
  person_id  TEXT NOT NULL, -- empty: a webhook
  name       TEXT NOT NULL,
  address    TEXT NOT NULL,
  language   TEXT NOT NULL,
  way        TEXT NOT NULL, -- mail, webhook
  kind       TEXT NOT NULL, -- alarm, taken, over
  at         TIMESTAMPTZ(3) NOT NULL,
  receipt    TEXT NOT NULL,
  receipt_at TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, message_id)
);
CREATE INDEX alert_notified_alert ON alert_notified (tenant_id, alert_id);

-- Firing signals for which nobody was woken, each with its reason (I20).
CREATE TABLE alert_withheld (
  tenant_id TEXT NOT NULL,
  id        TEXT NOT NULL,
  key       TEXT NOT NULL,
  service   TEXT NOT NULL,
  title     TEXT NOT NULL,
  detail    TEXT NOT NULL,
  reason    TEXT NOT NULL,
  alert_id  TEXT NOT NULL,
  at        TIMESTAMPTZ(3) NOT NULL,
  ended_at  TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX alert_withheld_key ON alert_withheld (tenant_id, key);
CREATE INDEX alert_withheld_alert ON alert_withheld (tenant_id, alert_id);
