-- +goose Up
CREATE TABLE roster_import (
  tenant_id TEXT NOT NULL,
  id        TEXT NOT NULL,
  roster    TEXT NOT NULL,
  taken     INTEGER NOT NULL,
  moved     INTEGER NOT NULL,
  back      INTEGER NOT NULL,
  by_name   TEXT NOT NULL,
  made_at   TIMESTAMP NOT NULL,
  undone_at TIMESTAMP,
  undone_by TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX roster_import_roster ON roster_import (tenant_id, roster);

CREATE TABLE roster_import_piece (
  tenant_id   TEXT NOT NULL,
  id          TEXT NOT NULL,
  import_id   TEXT NOT NULL,
  roster      TEXT NOT NULL,
  occurrence  TEXT NOT NULL,
  piece       INTEGER NOT NULL,
  override_id TEXT NOT NULL,
  replaced    TEXT NOT NULL,
  replaced_to TIMESTAMP,
  to_at       TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX roster_import_piece_roster ON roster_import_piece (tenant_id, roster, to_at);
CREATE INDEX roster_import_piece_import ON roster_import_piece (tenant_id, import_id);
