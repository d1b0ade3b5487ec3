-- +goose Up
-- How far an alert has climbed its escalation chain. The chain is kept as it was
-- when the alarm came.
CREATE TABLE alert_run (
  tenant_id     TEXT NOT NULL,
  alert_id      TEXT NOT NULL,
  chain         TEXT NOT NULL,     -- as JSON; empty: none
  step          BIGINT NOT NULL,   -- the one that is being told, from 0
  told          BIGINT NOT NULL,   -- how often
  done          BOOLEAN NOT NULL,  -- climbed to its end, or answered
  snoozed_until TIMESTAMPTZ(3),
  snoozed_by    TEXT NOT NULL,
  snoozed_name  TEXT NOT NULL,
  PRIMARY KEY (tenant_id, alert_id)
);

-- One person who is being reached for an alert, and by which of their ways.
CREATE TABLE alert_page (
  tenant_id TEXT NOT NULL,
  alert_id  TEXT NOT NULL,
  person_id TEXT NOT NULL,
  name      TEXT NOT NULL,
  step      BIGINT NOT NULL,
  ways      TEXT NOT NULL,         -- as JSON: groups of ways in their order
  pos       BIGINT NOT NULL,       -- the next group
  receipt   BIGINT NOT NULL,       -- how long a way has to show that it arrived, in ms
  reason    TEXT NOT NULL,
  state     TEXT NOT NULL,         -- trying, reached, unreached, answered, declined
  due_at    TIMESTAMPTZ(3),             -- when the next way is tried
  PRIMARY KEY (tenant_id, alert_id, person_id)
);
CREATE INDEX alert_page_due ON alert_page (due_at) WHERE due_at IS NOT NULL;

-- What happened to wake people, in its order: what the page tells.
CREATE TABLE alert_course (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  alert_id   TEXT NOT NULL,
  at         TIMESTAMPTZ(3) NOT NULL,
  what       TEXT NOT NULL,
  person_id  TEXT NOT NULL,
  name       TEXT NOT NULL,
  way        TEXT NOT NULL,
  word       TEXT NOT NULL,        -- a reason, a name or a number
  until      TIMESTAMPTZ(3),
  message_id TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX alert_course_alert ON alert_course (tenant_id, alert_id, id);
CREATE INDEX alert_course_message ON alert_course (tenant_id, message_id) WHERE message_id <> '';
