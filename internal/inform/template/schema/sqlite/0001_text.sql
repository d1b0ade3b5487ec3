-- +goose Up
-- The town's own versions of prepared texts. The words of an approved one never
-- change: approvals before the crisis are bound to them (I3).
CREATE TABLE template_text (
    tenant_id     TEXT      NOT NULL,
    id            TEXT      NOT NULL, -- the cell of the grid: B-P1-page-de
    version       BIGINT    NOT NULL,
    kind          TEXT      NOT NULL,
    audience      TEXT      NOT NULL,
    format        TEXT      NOT NULL,
    language      TEXT      NOT NULL,
    scenario      TEXT      NOT NULL,
    subject       TEXT      NOT NULL,
    title         TEXT      NOT NULL,
    body          TEXT      NOT NULL,
    instruction   TEXT      NOT NULL,
    state         TEXT      NOT NULL,
    author        TEXT      NOT NULL,
    author_name   TEXT      NOT NULL,
    created_at    TIMESTAMP NOT NULL,
    updated_at    TIMESTAMP NOT NULL,
    approver      TEXT      NOT NULL,
    approver_name TEXT      NOT NULL,
    approved_at   TIMESTAMP,
    ended_name    TEXT      NOT NULL,
    ended_at      TIMESTAMP,
    PRIMARY KEY (tenant_id, id, version),
    CHECK (state IN ('draft', 'approved', 'replaced', 'retired', 'discarded')),
    CHECK (state <> 'approved' OR approver <> author)
);
CREATE UNIQUE INDEX template_text_draft ON template_text (tenant_id, id) WHERE state = 'draft';
CREATE UNIQUE INDEX template_text_approved ON template_text (tenant_id, id) WHERE state = 'approved';

-- +goose StatementBegin
CREATE TRIGGER template_text_frozen BEFORE UPDATE ON template_text
WHEN OLD.state <> 'draft' AND (NEW.subject <> OLD.subject OR NEW.title <> OLD.title OR NEW.body <> OLD.body
    OR NEW.instruction <> OLD.instruction OR NEW.author <> OLD.author OR NEW.state = 'draft')
BEGIN SELECT RAISE(ABORT, 'template: the words of an approved text never change'); END;
-- +goose StatementEnd

-- Who has read a text in Leichter Sprache, in which wording.
CREATE TABLE template_signature (
    tenant_id   TEXT      NOT NULL,
    id          TEXT      NOT NULL,
    version     BIGINT    NOT NULL,
    wording     TEXT      NOT NULL, -- SHA-256 of the words that were read
    review_group TEXT    NOT NULL,
    person      TEXT      NOT NULL, -- who noted it
    person_name TEXT      NOT NULL,
    at          TIMESTAMP NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- When a text was last used in an exercise at the table.
CREATE TABLE template_rehearsal (
    tenant_id   TEXT      NOT NULL,
    id          TEXT      NOT NULL,
    at          TIMESTAMP NOT NULL,
    person_name TEXT      NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
