-- +goose Up
-- Written first by whoever changes a board, so that they stand in line.
CREATE TABLE staff_board (
  tenant_id   TEXT NOT NULL,
  incident_id TEXT NOT NULL,
  turn        INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, incident_id)
);
CREATE TABLE staff_seat (
  tenant_id     TEXT NOT NULL,
  id            TEXT NOT NULL,
  incident_id   TEXT NOT NULL,
  function      TEXT NOT NULL,
  person        TEXT NOT NULL,
  name          TEXT NOT NULL,
  note          TEXT NOT NULL,
  since_at      TIMESTAMP NOT NULL,
  until_at      TIMESTAMP,
  by_name       TEXT NOT NULL,
  relief_person TEXT NOT NULL,
  relief_name   TEXT NOT NULL,
  relief_at     TIMESTAMP,
  PRIMARY KEY (tenant_id, id),
  CHECK (name <> ''),
  CHECK (until_at IS NULL OR until_at >= since_at),
  CHECK ((relief_at IS NULL) = (relief_name = ''))
);
-- One holder at a time, but for the functions of several.
CREATE UNIQUE INDEX staff_seat_held ON staff_seat (tenant_id, incident_id, function)
  WHERE until_at IS NULL AND function NOT IN ('adviser', 'sms', 'ems');
CREATE INDEX staff_seat_incident ON staff_seat (tenant_id, incident_id);
CREATE TABLE staff_decision (
  tenant_id    TEXT NOT NULL,
  id           TEXT NOT NULL,
  incident_id  TEXT NOT NULL,
  number       INTEGER NOT NULL,
  situation    TEXT NOT NULL,
  options      TEXT NOT NULL,
  decision     TEXT NOT NULL,
  at           TIMESTAMP NOT NULL,
  by_name      TEXT NOT NULL,
  function     TEXT NOT NULL,
  checker      TEXT NOT NULL,
  check_by     TIMESTAMP NOT NULL,
  checked_at   TIMESTAMP,
  checked_name TEXT NOT NULL,
  result       TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, incident_id, number),
  CHECK ((checked_at IS NULL) = (result = ''))
);
CREATE INDEX staff_decision_open ON staff_decision (tenant_id, check_by) WHERE checked_at IS NULL;
-- What was decided never changes, and what came of it is said once.
-- +goose StatementBegin
CREATE TRIGGER staff_decision_frozen BEFORE UPDATE ON staff_decision
WHEN NEW.situation <> OLD.situation OR NEW.options <> OLD.options OR NEW.decision <> OLD.decision OR NEW.at <> OLD.at
  OR NEW.by_name <> OLD.by_name OR NEW.checker <> OLD.checker OR NEW.check_by <> OLD.check_by OR NEW.number <> OLD.number
  OR OLD.checked_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'staff: a decision never changes'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER staff_decision_kept BEFORE DELETE ON staff_decision
BEGIN SELECT RAISE(ABORT, 'staff: a decision stays'); END;
-- +goose StatementEnd
