-- +goose Up
CREATE TABLE incident_incident (
  tenant_id       TEXT NOT NULL,
  id              TEXT NOT NULL,
  title           TEXT NOT NULL,
  realm           TEXT NOT NULL CHECK (realm IN ('live', 'exercise')),
  level           TEXT NOT NULL,
  phase           TEXT NOT NULL,
  private         BOOLEAN NOT NULL,
  merged_into     TEXT NOT NULL,
  since           TIMESTAMPTZ(3) NOT NULL, -- when the trouble began, as far as known
  first_signal_at TIMESTAMPTZ(3),
  first_path      TEXT NOT NULL,
  opened_at       TIMESTAMPTZ(3) NOT NULL,
  opened_name     TEXT NOT NULL,
  confirmed_at    TIMESTAMPTZ(3),
  restored_at     TIMESTAMPTZ(3),
  closed_at       TIMESTAMPTZ(3),
  phase_at        TIMESTAMPTZ(3) NOT NULL, -- when the phase last changed
  journal_seq     BIGINT NOT NULL,    -- head of the journal's chain
  journal_hash    TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX incident_incident_phase ON incident_incident (tenant_id, phase, id);

CREATE TABLE incident_service (
  tenant_id   TEXT NOT NULL,
  incident_id TEXT NOT NULL,
  service     TEXT NOT NULL,
  PRIMARY KEY (tenant_id, incident_id, service)
);
CREATE INDEX incident_service_service ON incident_service (tenant_id, service);

-- An alert is in one incident at most.
CREATE TABLE incident_alert (
  tenant_id   TEXT NOT NULL,
  alert_id    TEXT NOT NULL,
  incident_id TEXT NOT NULL,
  closed_at   TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, alert_id)
);
CREATE INDEX incident_alert_incident ON incident_alert (tenant_id, incident_id);

-- Every version of every fact; the highest counts.
CREATE TABLE incident_fact (
  tenant_id     TEXT NOT NULL,
  incident_id   TEXT NOT NULL,
  id            TEXT NOT NULL,
  version       BIGINT NOT NULL,
  text          TEXT NOT NULL,
  certainty     TEXT NOT NULL,
  source        TEXT NOT NULL,
  embargo_until TIMESTAMPTZ(3),
  hold          BOOLEAN NOT NULL,
  withdrawn     BOOLEAN NOT NULL,
  at            TIMESTAMPTZ(3) NOT NULL,
  by_name       TEXT NOT NULL,
  PRIMARY KEY (tenant_id, incident_id, id, version)
);

-- The Einsatztagebuch: append-only, each entry sealed by a hash over itself
-- and the hash before it.
CREATE TABLE incident_entry (
  tenant_id    TEXT NOT NULL,
  incident_id  TEXT NOT NULL,
  seq          BIGINT NOT NULL,
  at           TIMESTAMPTZ(3) NOT NULL,
  actor_kind   TEXT NOT NULL,
  actor_person TEXT NOT NULL,
  actor_name   TEXT NOT NULL,
  kind         TEXT NOT NULL,
  text         TEXT NOT NULL,
  ref          TEXT NOT NULL,
  hash         TEXT NOT NULL,
  PRIMARY KEY (tenant_id, incident_id, seq)
);

-- When an alert opens an incident by itself. An empty service is the rule for
-- all that have none of their own.
CREATE TABLE incident_rule (
  tenant_id     TEXT NOT NULL,
  service       TEXT NOT NULL,
  after_seconds BIGINT NOT NULL, -- below 0: never
  PRIMARY KEY (tenant_id, service)
);
