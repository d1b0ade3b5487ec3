-- +goose Up
-- What citizens report on the public page: which service, what they see, when.
-- Nothing about them.
CREATE TABLE intake_outage (
  tenant_id TEXT NOT NULL,
  id        TEXT NOT NULL,
  service   TEXT NOT NULL,
  symptom   TEXT NOT NULL,
  at        TIMESTAMP NOT NULL,
  over      BOOLEAN NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX intake_outage_open ON intake_outage (tenant_id, service) WHERE NOT over;
CREATE INDEX intake_outage_age ON intake_outage (at);
