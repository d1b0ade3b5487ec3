-- +goose Up
CREATE TABLE publish_statement (
    tenant_id      TEXT      NOT NULL,
    id             TEXT      NOT NULL,
    incident_id    TEXT      NOT NULL,
    kind           TEXT      NOT NULL,
    realm          TEXT      NOT NULL,
    incident_realm TEXT      NOT NULL,
    level          TEXT      NOT NULL,
    state          TEXT      NOT NULL,
    revision       BIGINT    NOT NULL,
    version        BIGINT    NOT NULL,
    corrects       TEXT      NOT NULL,
    corrected_by   TEXT      NOT NULL,
    correction     TEXT      NOT NULL,
    facts          TEXT      NOT NULL,
    audiences      TEXT      NOT NULL,
    languages      TEXT      NOT NULL,
    scenario       TEXT      NOT NULL,
    next_update    TEXT      NOT NULL,
    authors        TEXT      NOT NULL,
    asked          TEXT      NOT NULL,
    note           TEXT      NOT NULL,
    returned_by    TEXT      NOT NULL,
    approval       TEXT      NOT NULL,
    unconfirmed    BOOLEAN   NOT NULL,
    seen           TEXT      NOT NULL, -- what the approver was shown
    seen_before    TEXT      NOT NULL, -- what was shown before it was given back
    seen_at        TIMESTAMP,
    asked_again_at TIMESTAMP,
    created_at     TIMESTAMP NOT NULL,
    updated_at     TIMESTAMP NOT NULL,
    submitted_at   TIMESTAMP,
    published_at   TIMESTAMP,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, id, realm),
    CHECK (realm IN ('live', 'exercise')),
    CHECK (realm = incident_realm)
);
CREATE INDEX publish_statement_incident ON publish_statement (tenant_id, incident_id, id);
CREATE INDEX publish_statement_published ON publish_statement (tenant_id, published_at);
CREATE INDEX publish_statement_submitted ON publish_statement (submitted_at) WHERE state = 'submitted';

-- +goose StatementBegin
CREATE TRIGGER publish_statement_frozen BEFORE UPDATE ON publish_statement
WHEN OLD.state = 'published' AND (NEW.state <> 'published' OR NEW.facts <> OLD.facts OR NEW.kind <> OLD.kind
    OR NEW.audiences <> OLD.audiences OR NEW.languages <> OLD.languages OR NEW.realm <> OLD.realm
    OR NEW.incident_id <> OLD.incident_id OR NEW.version <> OLD.version OR NEW.correction <> OLD.correction
    OR NEW.next_update <> OLD.next_update OR NEW.published_at IS NOT OLD.published_at)
BEGIN SELECT RAISE(ABORT, 'publish: a published statement never changes'); END;
-- +goose StatementEnd

CREATE TABLE publish_variant (
    tenant_id     TEXT      NOT NULL,
    statement_id  TEXT      NOT NULL,
    audience      TEXT      NOT NULL,
    format        TEXT      NOT NULL,
    language      TEXT      NOT NULL,
    audience_kind TEXT      NOT NULL,
    entry         TEXT      NOT NULL,
    entry_version BIGINT    NOT NULL,
    review        TEXT      NOT NULL,
    subject       TEXT      NOT NULL,
    title         TEXT      NOT NULL,
    body          TEXT      NOT NULL,
    over_parts    TEXT      NOT NULL,
    untranslated  TEXT      NOT NULL,
    as_of         TIMESTAMP NOT NULL,
    next_update   TIMESTAMP,
    PRIMARY KEY (tenant_id, statement_id, audience, format, language),
    FOREIGN KEY (tenant_id, statement_id) REFERENCES publish_statement (tenant_id, id)
);
-- +goose StatementBegin
CREATE TRIGGER publish_variant_frozen BEFORE UPDATE ON publish_variant
BEGIN SELECT RAISE(ABORT, 'publish: a published variant never changes'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER publish_variant_kept BEFORE DELETE ON publish_variant
BEGIN SELECT RAISE(ABORT, 'publish: a published variant stays reachable'); END;
-- +goose StatementEnd

CREATE TABLE publish_promise (
    tenant_id      TEXT      NOT NULL,
    id             TEXT      NOT NULL,
    incident_id    TEXT      NOT NULL,
    audience       TEXT      NOT NULL,
    realm          TEXT      NOT NULL,
    due_at         TIMESTAMP NOT NULL,
    state          TEXT      NOT NULL,
    after_recovery BOOLEAN   NOT NULL,
    statement_id   TEXT      NOT NULL,
    settled_at     TIMESTAMP,
    reminded_at    TIMESTAMP,
    escalated_at   TIMESTAMP,
    created_at     TIMESTAMP NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX publish_promise_open ON publish_promise (tenant_id, incident_id, audience) WHERE state = 'open';
CREATE INDEX publish_promise_due ON publish_promise (due_at) WHERE state = 'open';

CREATE TABLE publish_delivery (
    tenant_id     TEXT      NOT NULL,
    id            TEXT      NOT NULL,
    statement_id  TEXT      NOT NULL,
    incident_id   TEXT      NOT NULL,
    kind          TEXT      NOT NULL,
    audience      TEXT      NOT NULL,
    recipient     TEXT      NOT NULL,
    channel       TEXT      NOT NULL,
    realm         TEXT      NOT NULL,
    channel_realm TEXT      NOT NULL,
    language      TEXT      NOT NULL,
    first         BOOLEAN   NOT NULL, -- opens the recipient's thread
    state         TEXT      NOT NULL,
    attempts      BIGINT    NOT NULL,
    reason        TEXT      NOT NULL,
    claim         TEXT      NOT NULL,
    route         TEXT      NOT NULL,
    reference     TEXT      NOT NULL,
    next_at       TIMESTAMP NOT NULL,
    sent_at       TIMESTAMP,
    created_at    TIMESTAMP NOT NULL,
    updated_at    TIMESTAMP NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, statement_id, recipient, channel),
    FOREIGN KEY (tenant_id, statement_id, realm) REFERENCES publish_statement (tenant_id, id, realm),
    CHECK (realm = channel_realm),
    CHECK (state IN ('queued', 'sending', 'accepted', 'failed', 'expired', 'skipped'))
);
CREATE INDEX publish_delivery_due ON publish_delivery (tenant_id, realm, channel, next_at) WHERE state IN ('queued', 'sending');
CREATE INDEX publish_delivery_recipient ON publish_delivery (tenant_id, recipient, sent_at);
CREATE INDEX publish_delivery_incident ON publish_delivery (tenant_id, incident_id, recipient);
-- +goose StatementBegin
CREATE TRIGGER publish_delivery_final BEFORE UPDATE ON publish_delivery
WHEN OLD.state IN ('accepted', 'failed', 'expired', 'skipped') AND NEW.state <> OLD.state
BEGIN SELECT RAISE(ABORT, 'publish: a delivery that has ended never goes back'); END;
-- +goose StatementEnd

CREATE TABLE publish_waiver (
    tenant_id   TEXT      NOT NULL,
    incident_id TEXT      NOT NULL,
    reason      TEXT      NOT NULL,
    person      TEXT      NOT NULL,
    person_name TEXT      NOT NULL,
    at          TIMESTAMP NOT NULL,
    PRIMARY KEY (tenant_id, incident_id)
);

CREATE TABLE publish_release (
    tenant_id   TEXT      NOT NULL,
    entry       TEXT      NOT NULL,
    version     BIGINT    NOT NULL,
    wording     TEXT      NOT NULL, -- SHA-256 of the released words
    person      TEXT      NOT NULL,
    person_name TEXT      NOT NULL,
    at          TIMESTAMP NOT NULL,
    PRIMARY KEY (tenant_id, entry)
);
