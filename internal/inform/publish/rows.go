package publish

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

type statementRow struct {
	bun.BaseModel `bun:"table:publish_statement"`
	TenantID      ident.Tenant      `bun:"tenant_id,pk"`
	ID            ID                `bun:"id,pk"`
	Incident      incident.ID       `bun:"incident_id"`
	Kind          template.Kind     `bun:"kind"`
	Realm         incident.Realm    `bun:"realm"`
	IncidentRealm incident.Realm    `bun:"incident_realm"`
	Level         incident.Level    `bun:"level"`
	State         State             `bun:"state"`
	Revision      int               `bun:"revision"`
	Version       int               `bun:"version"`
	Corrects      ID                `bun:"corrects"`
	CorrectedBy   ID                `bun:"corrected_by"`
	Correction    string            `bun:"correction"`
	Facts         string            `bun:"facts"`
	Audiences     string            `bun:"audiences"`
	Languages     string            `bun:"languages"`
	Scenario      template.Scenario `bun:"scenario"`
	Next          string            `bun:"next_update"`
	Authors       string            `bun:"authors"`
	Asked         identity.PersonID `bun:"asked"`
	Note          string            `bun:"note"`
	ReturnedBy    string            `bun:"returned_by"`
	Approval      string            `bun:"approval"`
	Unconfirmed   bool              `bun:"unconfirmed"`
	Seen          string            `bun:"seen"`
	SeenBefore    string            `bun:"seen_before"`
	SeenAt        time.Time         `bun:"seen_at,nullzero"`
	AskedAgainAt  time.Time         `bun:"asked_again_at,nullzero"`
	CreatedAt     time.Time         `bun:"created_at"`
	UpdatedAt     time.Time         `bun:"updated_at"`
	SubmittedAt   time.Time         `bun:"submitted_at,nullzero"`
	PublishedAt   time.Time         `bun:"published_at,nullzero"`
}

// put writes a value as JSON text; these plain types always marshal.
func put(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("publish: %T does not marshal: %v", v, err))
	}
	return string(b)
}

// get reads JSON text; an empty one leaves the zero value.
func get[T any](text string, into *T) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), into)
}

// cut brings a stored time into the form in which it was given; zero stays zero.
func cut(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return clock.Cut(t)
}

func (s Statement) row(tenant ident.Tenant) statementRow {
	return statementRow{
		TenantID: tenant, ID: s.ID, Incident: s.Incident, Kind: s.Kind, Realm: s.Realm, IncidentRealm: s.Realm,
		Level: s.Level, State: s.State, Revision: s.Revision, Version: s.Version, Corrects: s.Corrects,
		CorrectedBy: s.CorrectedBy, Correction: s.Correction, Facts: put(s.Facts), Audiences: put(s.Audiences),
		Languages: put(s.Languages), Scenario: s.Scenario, Next: put(s.Next), Authors: put(s.Authors), Asked: s.Asked,
		Note: s.Note, ReturnedBy: s.ReturnedBy, Approval: put(s.Approval), Unconfirmed: s.State == StatePublished && s.Approval.Unconfirmed(),
		Seen: put(s.seen), SeenBefore: put(s.seenBefore), SeenAt: s.seenAt, AskedAgainAt: s.askedAgain,
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, SubmittedAt: s.SubmittedAt, PublishedAt: s.PublishedAt,
	}
}

func (r statementRow) statement() (Statement, error) {
	s := Statement{
		ID: r.ID, Incident: r.Incident, Kind: r.Kind, Realm: r.Realm, Level: r.Level, State: r.State,
		Revision: r.Revision, Version: r.Version, Corrects: r.Corrects, CorrectedBy: r.CorrectedBy, Correction: r.Correction,
		Scenario: r.Scenario, Asked: r.Asked, Note: r.Note, ReturnedBy: r.ReturnedBy,
		seenAt: cut(r.SeenAt), askedAgain: cut(r.AskedAgainAt),
		CreatedAt: cut(r.CreatedAt), UpdatedAt: cut(r.UpdatedAt), SubmittedAt: cut(r.SubmittedAt), PublishedAt: cut(r.PublishedAt),
	}
	for _, err := range []error{
		get(r.Facts, &s.Facts), get(r.Audiences, &s.Audiences), get(r.Languages, &s.Languages), get(r.Next, &s.Next),
		get(r.Authors, &s.Authors), get(r.Approval, &s.Approval), get(r.Seen, &s.seen), get(r.SeenBefore, &s.seenBefore),
	} {
		if err != nil {
			return Statement{}, fmt.Errorf("publish: statement %s: %w", r.ID, err)
		}
	}
	if s.Facts == nil {
		s.Facts = template.Facts{}
	}
	return s, nil
}

type variantRow struct {
	bun.BaseModel `bun:"table:publish_variant"`
	TenantID      ident.Tenant      `bun:"tenant_id,pk"`
	Statement     ID                `bun:"statement_id,pk"`
	Audience      string            `bun:"audience,pk"`
	Format        template.Format   `bun:"format,pk"`
	Language      template.Language `bun:"language,pk"`
	Kind          plan.Kind         `bun:"audience_kind"`
	Entry         string            `bun:"entry"`
	EntryVersion  int               `bun:"entry_version"`
	Review        template.Review   `bun:"review"`
	Subject       string            `bun:"subject"`
	Title         string            `bun:"title"`
	Body          string            `bun:"body"`
	Instruction   string            `bun:"instruction"`
	Over          string            `bun:"over_parts"`
	Untranslated  string            `bun:"untranslated"`
	AsOf          time.Time         `bun:"as_of"`
	Next          time.Time         `bun:"next_update,nullzero"`
}

func (v Variant) row(tenant ident.Tenant, of ID) variantRow {
	return variantRow{
		TenantID: tenant, Statement: of, Audience: v.Audience, Format: v.Format, Language: v.Language, Kind: v.Kind,
		Entry: v.Entry, EntryVersion: v.EntryVersion, Review: v.Review, Subject: v.Subject, Title: v.Title, Body: v.Body, Instruction: v.Instruction,
		Over: put(v.Over), Untranslated: put(v.Untranslated), AsOf: v.AsOf, Next: v.Next,
	}
}

func (r variantRow) variant() (Variant, error) {
	v := Variant{
		Audience: r.Audience, Kind: r.Kind, Format: r.Format, Language: r.Language, Entry: r.Entry, EntryVersion: r.EntryVersion,
		Review: r.Review, Subject: r.Subject, Title: r.Title, Body: r.Body, Instruction: r.Instruction, AsOf: cut(r.AsOf), Next: cut(r.Next),
	}
	if err := get(r.Over, &v.Over); err != nil {
		return v, fmt.Errorf("publish: variant of %s: %w", r.Statement, err)
	}
	if err := get(r.Untranslated, &v.Untranslated); err != nil {
		return v, fmt.Errorf("publish: variant of %s: %w", r.Statement, err)
	}
	return v, nil
}

type promiseRow struct {
	bun.BaseModel `bun:"table:publish_promise"`
	TenantID      ident.Tenant   `bun:"tenant_id,pk"`
	ID            string         `bun:"id,pk"`
	Incident      incident.ID    `bun:"incident_id"`
	Audience      string         `bun:"audience"`
	Realm         incident.Realm `bun:"realm"`
	Due           time.Time      `bun:"due_at"`
	State         PromiseState   `bun:"state"`
	AfterRecovery bool           `bun:"after_recovery"`
	Statement     ID             `bun:"statement_id"`
	SettledAt     time.Time      `bun:"settled_at,nullzero"`
	Reminded      time.Time      `bun:"reminded_at,nullzero"`
	Escalated     time.Time      `bun:"escalated_at,nullzero"`
	CreatedAt     time.Time      `bun:"created_at"`
}

func (p Promise) row(tenant ident.Tenant) promiseRow {
	return promiseRow{
		TenantID: tenant, ID: p.ID, Incident: p.Incident, Audience: p.Audience, Realm: p.Realm, Due: p.Due, State: p.State,
		AfterRecovery: p.AfterRecovery, Statement: p.Statement, SettledAt: p.SettledAt, Reminded: p.Reminded,
		Escalated: p.Escalated, CreatedAt: p.CreatedAt,
	}
}

func (r promiseRow) promise() Promise {
	return Promise{
		ID: r.ID, Incident: r.Incident, Audience: r.Audience, Realm: r.Realm, Due: cut(r.Due), State: r.State,
		AfterRecovery: r.AfterRecovery, Statement: r.Statement, SettledAt: cut(r.SettledAt), Reminded: cut(r.Reminded),
		Escalated: cut(r.Escalated), CreatedAt: cut(r.CreatedAt),
	}
}

type deliveryRow struct {
	bun.BaseModel `bun:"table:publish_delivery"`
	TenantID      ident.Tenant      `bun:"tenant_id,pk"`
	ID            string            `bun:"id,pk"`
	Statement     ID                `bun:"statement_id"`
	Incident      incident.ID       `bun:"incident_id"`
	Kind          template.Kind     `bun:"kind"`
	Audience      string            `bun:"audience"`
	Recipient     string            `bun:"recipient"`
	Channel       channel.Kind      `bun:"channel"`
	Realm         incident.Realm    `bun:"realm"`
	ChannelRealm  channel.Realm     `bun:"channel_realm"`
	Language      template.Language `bun:"language"`
	First         bool              `bun:"first"`
	State         DeliveryState     `bun:"state"`
	Attempts      int               `bun:"attempts"`
	Reason        string            `bun:"reason"`
	Claim         string            `bun:"claim"`
	Route         string            `bun:"route"`
	Reference     string            `bun:"reference"`
	NextAt        time.Time         `bun:"next_at"`
	SentAt        time.Time         `bun:"sent_at,nullzero"`
	CreatedAt     time.Time         `bun:"created_at"`
	UpdatedAt     time.Time         `bun:"updated_at"`
}

func (r deliveryRow) delivery() Delivery {
	return Delivery{
		ID: r.ID, Statement: r.Statement, Audience: r.Audience, Recipient: r.Recipient, Channel: r.Channel, State: r.State,
		Attempts: r.Attempts, Reason: r.Reason, NextAt: cut(r.NextAt), SentAt: cut(r.SentAt), Route: r.Route,
		Reference: r.Reference, UpdatedAt: cut(r.UpdatedAt),
	}
}

func (r deliveryRow) target() target {
	return target{Recipient: r.Recipient, Channel: r.Channel, Audience: r.Audience}
}

type waiverRow struct {
	bun.BaseModel `bun:"table:publish_waiver"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Incident      incident.ID  `bun:"incident_id,pk"`
	Reason        string       `bun:"reason"`
	Person        string       `bun:"person"`
	PersonName    string       `bun:"person_name"`
	At            time.Time    `bun:"at"`
}

type releaseRow struct {
	bun.BaseModel `bun:"table:publish_release"`
	TenantID      ident.Tenant      `bun:"tenant_id,pk"`
	Entry         string            `bun:"entry,pk"`
	Version       int               `bun:"version"`
	Wording       string            `bun:"wording"`
	Person        identity.PersonID `bun:"person"`
	PersonName    string            `bun:"person_name"`
	At            time.Time         `bun:"at"`
}
