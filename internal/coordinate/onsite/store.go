package onsite

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

//go:embed schema
var schema embed.FS

//go:embed texts
var texts embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations {
	return store.Migrations{Room: "onsite", FS: schema, Words: []string{"onsite_report.text", "onsite_report.place"}}
}

// Texts is this room's sentences, for the catalog.
func Texts() fs.FS { return texts }

type reportRow struct {
	bun.BaseModel `bun:"table:onsite_report,alias:report"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            ReportID     `bun:"id,pk"`
	Incident      incident.ID  `bun:"incident_id"`
	At            time.Time    `bun:"at"`
	Person        string       `bun:"person"`
	ByName        string       `bun:"by_name"`
	Text          string       `bun:"text"`
	Place         string       `bun:"place"`
	Source        Source       `bun:"source"`
	Lat           float64      `bun:"lat"`
	Lon           float64      `bun:"lon"`
	Accuracy      float64      `bun:"accuracy"`
	PhotoSum      string       `bun:"photo_sum"`
	PhotoWidth    int          `bun:"photo_width"`
	PhotoHeight   int          `bun:"photo_height"`
	Key           string       `bun:"sent_key,nullzero"`
	// HasPhoto is read beside the row: whether the picture is still there.
	HasPhoto bool `bun:"has_photo,scanonly"`
}

func (row reportRow) report() Report {
	r := Report{
		ID: row.ID, Incident: row.Incident, At: clock.Cut(row.At), Person: row.Person, ByName: row.ByName,
		Text: row.Text, Place: row.Place, Source: row.Source,
	}
	if row.Source != "" {
		r.Position = &Position{row.Lat, row.Lon, row.Accuracy}
	}
	if row.PhotoSum != "" {
		r.Photo = &Shot{row.PhotoWidth, row.PhotoHeight, row.PhotoSum, !row.HasPhoto}
	}
	return r
}

type photoRow struct {
	bun.BaseModel `bun:"table:onsite_photo"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Report        ReportID     `bun:"report_id,pk"`
	At            time.Time    `bun:"at"`
	Data          []byte       `bun:"data"`
}

type checkRow struct {
	bun.BaseModel `bun:"table:onsite_identity"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            CheckID      `bun:"id,pk"`
	Incident      incident.ID  `bun:"incident_id"`
	At            time.Time    `bun:"at"`
	Until         time.Time    `bun:"until_at"`
	Person        string       `bun:"person"`
	ByName        string       `bun:"by_name"`
	Purpose       Purpose      `bun:"purpose"`
	Outcome       Outcome      `bun:"outcome"`
	HasCopy       bool         `bun:"has_copy"`
	GoneAt        time.Time    `bun:"gone_at,nullzero"`
	GoneWhy       GoneWhy      `bun:"gone_why"`
}

func (row checkRow) check() Check {
	c := Check{
		ID: row.ID, Incident: row.Incident, At: clock.Cut(row.At), Until: clock.Cut(row.Until), Person: row.Person, ByName: row.ByName,
		Purpose: row.Purpose, Outcome: row.Outcome, HasCopy: row.HasCopy, GoneWhy: row.GoneWhy,
	}
	if !row.GoneAt.IsZero() {
		c.GoneAt = clock.Cut(row.GoneAt)
	}
	return c
}

type fleetingRow struct {
	bun.BaseModel `bun:"table:onsite_fleeting"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Check         CheckID      `bun:"check_id,pk"`
	Until         time.Time    `bun:"until_at"`
	Data          []byte       `bun:"data"`
	Picture       []byte       `bun:"picture,nullzero"`
	Key           string       `bun:"sent_key,nullzero"`
}

type copiesRow struct {
	bun.BaseModel `bun:"table:onsite_copies"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Allowed       bool         `bun:"allowed"`
	Reason        string       `bun:"reason"`
	ByName        string       `bun:"by_name"`
	At            time.Time    `bun:"at"`
}

// once makes a key out of a form's: whoever sends the same again means the same, and
// what differs in anything, or comes from somebody else, is a second one. Without a
// form's key it is empty.
func once(ctx context.Context, key string, parts ...any) string {
	if key == "" {
		return ""
	}
	raw, err := json.Marshal(append([]any{key, ident.ActorOf(ctx).Person}, parts...))
	if err != nil {
		return "" // numbers and texts always can; without a key nothing is lost
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// purpose names what is sealed, so that no picture opens in another's place.
func purpose(what string, t ident.Tenant, id string) string {
	return "onsite." + what + " " + string(t) + " " + id
}

// hide seals what leads to a person.
func (r *Room) hide(t ident.Tenant, id CheckID, h Held, picture []byte) (data, sealed []byte, err error) {
	plain, err := json.Marshal(h)
	if err != nil {
		return nil, nil, fmt.Errorf("onsite: %w", err)
	}
	if data, err = r.o.Vault.Seal(purpose("held", t, string(id)), plain); err != nil {
		return nil, nil, fmt.Errorf("onsite: %w", err)
	}
	if picture != nil {
		if sealed, err = r.o.Vault.Seal(purpose("copy", t, string(id)), picture); err != nil {
			return nil, nil, fmt.Errorf("onsite: %w", err)
		}
	}
	return data, sealed, nil
}

func (r *Room) show(t ident.Tenant, row fleetingRow) (*Held, error) {
	plain, err := r.o.Vault.Open(purpose("held", t, string(row.Check)), row.Data)
	if err != nil {
		return nil, fmt.Errorf("onsite: check %s: %w", row.Check, err)
	}
	var h Held
	if err := json.Unmarshal(plain, &h); err != nil {
		return nil, fmt.Errorf("onsite: check %s: %w", row.Check, err)
	}
	return &h, nil
}
