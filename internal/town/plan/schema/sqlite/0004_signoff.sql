-- +goose Up
-- Who of the leadership signed which version of the plan.
CREATE TABLE plan_signoff (
  tenant_id         TEXT NOT NULL,
  id                TEXT NOT NULL,
  version           BIGINT NOT NULL,
  name              TEXT NOT NULL,
  function          TEXT NOT NULL,
  day               TEXT NOT NULL, -- civil day of the signature
  note              TEXT NOT NULL, -- where the signature can be seen
  at                TIMESTAMP NOT NULL,
  by_name           TEXT NOT NULL,
  withdrawn_at      TIMESTAMP,
  withdrawn_by_name TEXT NOT NULL,
  reason            TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
