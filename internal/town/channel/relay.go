package channel

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Relay / Mailserver is a way for mail to leave that was entered in the
// console. Those of the configuration are not stored.
type Relay struct {
	Name     string // unique in the town
	Position int    // order in which relays are tried
	Host     string
	Port     int
	From     string
	Username string
	TLS      string // "", none, starttls or tls; see the mail adapter
	Password []byte `json:"-"` // sealed at rest, never shown
}

// Hook is a webhook that was entered in the console. It hears of every alert
// unless it is Quiet, and of what is told to its audiences.
type Hook struct {
	Name   string
	URL    string
	Secret []byte // signs the body; sealed at rest, never shown
	Form   Form
	// Rest is the request of the form [REST], and nil of every other.
	Rest *Rest
	// Audiences are those whose statements it gets, by slug.
	Audiences []string
	Quiet     bool // hears of no alerts
}

// Audit remembers who did what.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

type relayRow struct {
	bun.BaseModel `bun:"table:channel_relay"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Name          string       `bun:"name,pk"`
	Position      int          `bun:"position"`
	Body          string       `bun:"body"`
	Secret        []byte       `bun:"secret,nullzero"`
	UpdatedAt     time.Time    `bun:"updated_at"`
}

type hookRow struct {
	bun.BaseModel `bun:"table:channel_hook"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Name          string       `bun:"name,pk"`
	URL           string       `bun:"url"`
	Secret        []byte       `bun:"secret,nullzero"`
	Form          Form         `bun:"form"`
	Audiences     string       `bun:"audiences"` // slugs, one a line
	Quiet         bool         `bun:"quiet"`
	Rest          string       `bun:"rest"` // JSON of a [Rest], for its form alone
	UpdatedAt     time.Time    `bun:"updated_at"`
}

// Purposes that bind sealed secrets to their table.
const (
	relayPurpose = "channel.relay.password"
	hookPurpose  = "channel.hook.secret"
)

// check finds what is wrong with a relay.
func (m Relay) check() error {
	err := fault.New(fault.Invalid, "channel.relay_invalid")
	if m.Name == "" || len(m.Name) > 60 {
		err = err.Field("name", "channel.relay_name")
	}
	if m.Host == "" || strings.ContainsAny(m.Host, " /@:") && net.ParseIP(m.Host) == nil {
		err = err.Field("host", "channel.relay_host")
	}
	if m.Port < 1 || m.Port > 65535 {
		err = err.Field("port", "channel.relay_port")
	}
	if a, perr := mail.ParseAddress(m.From); perr != nil || a.Address != m.From {
		err = err.Field("from", "channel.relay_from")
	}
	switch m.TLS {
	case "", "none", "starttls", "tls":
	default:
		err = err.Field("tls", "channel.relay_tls")
	}
	if len(err.Fields) > 0 {
		return err
	}
	return nil
}

func (h Hook) check() error {
	err := fault.New(fault.Invalid, "channel.hook_invalid")
	if h.Name == "" || len(h.Name) > 60 {
		err = err.Field("hook_name", "channel.relay_name")
	}
	if u, perr := url.Parse(h.URL); perr != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		err = err.Field("url", "channel.hook_url")
	}
	if !KnownForm(h.Form) {
		err = err.Field("form", "channel.hook_form")
	}
	if err.Fields["url"] == "" && err.Fields["form"] == "" && !h.Form.Address(h.URL) {
		err = err.Field("url", "channel.hook_address_"+string(h.Form))
	}
	if h.Form == REST {
		if field, text := h.Rest.wrong(); text != "" {
			err = err.Field(field, text)
		}
	}
	if h.Quiet && len(h.Audiences) == 0 {
		err = err.Field("hears", "channel.hook_deaf")
	}
	if len(err.Fields) > 0 {
		return err
	}
	return nil
}

// Relays are the mail servers entered in the console, in the order in which
// they are tried, with their passwords.
func (r *Room) Relays(ctx context.Context) ([]Relay, error) {
	var rows []relayRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("position", "name").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("channel: relays: %w", err)
	}
	out := make([]Relay, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal([]byte(row.Body), &out[i]); err != nil {
			return nil, fmt.Errorf("channel: relay %s: %w", row.Name, err)
		}
		if len(row.Secret) > 0 {
			if out[i].Password, err = r.o.Vault.Open(relayPurpose, row.Secret); err != nil {
				return nil, fmt.Errorf("channel: relay %s: %w", row.Name, err)
			}
		}
	}
	return out, nil
}

// SaveRelay creates or changes a mail server; without a password the stored one
// stays.
func (r *Room) SaveRelay(ctx context.Context, m Relay) error {
	tenant, err := r.mayConfigure(ctx)
	if err != nil {
		return err
	}
	if err := m.check(); err != nil {
		return err
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("channel: relay: %w", err)
	}
	row := relayRow{TenantID: tenant, Name: m.Name, Position: m.Position, Body: string(body), UpdatedAt: r.o.Clock.Now()}
	if len(m.Password) > 0 {
		if row.Secret, err = r.o.Vault.Seal(relayPurpose, m.Password); err != nil {
			return fmt.Errorf("channel: relay: %w", err)
		}
	}
	return r.configure(ctx, "channel.relay_saved", "relay:"+m.Name, func(ctx context.Context, db bun.IDB) error {
		q := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, name) DO UPDATE").
			Set("position = EXCLUDED.position").Set("body = EXCLUDED.body").Set("updated_at = EXCLUDED.updated_at")
		if len(row.Secret) > 0 {
			q = q.Set("secret = EXCLUDED.secret")
		}
		_, err := q.Exec(ctx)
		return err
	})
}

// RemoveRelay deletes a mail server.
func (r *Room) RemoveRelay(ctx context.Context, name string) error {
	tenant, err := r.mayConfigure(ctx)
	if err != nil {
		return err
	}
	return r.configure(ctx, "channel.relay_removed", "relay:"+name, func(ctx context.Context, db bun.IDB) error {
		return gone(db.NewDelete().Model((*relayRow)(nil)).Where("tenant_id = ? AND name = ?", tenant, name).Exec(ctx))
	})
}

// Hooks are the webhooks entered in the console, with their secrets.
func (r *Room) Hooks(ctx context.Context) ([]Hook, error) {
	var rows []hookRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("name").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("channel: hooks: %w", err)
	}
	out := make([]Hook, len(rows))
	for i, row := range rows {
		out[i] = Hook{Name: row.Name, URL: row.URL, Form: row.Form, Audiences: strings.Fields(row.Audiences), Quiet: row.Quiet}
		if row.Rest != "" {
			if err := json.Unmarshal([]byte(row.Rest), &out[i].Rest); err != nil {
				return nil, fmt.Errorf("channel: hook %s: %w", row.Name, err)
			}
		}
		if len(row.Secret) > 0 {
			if out[i].Secret, err = r.o.Vault.Open(hookPurpose, row.Secret); err != nil {
				return nil, fmt.Errorf("channel: hook %s: %w", row.Name, err)
			}
		}
	}
	return out, nil
}

// SaveHook creates or changes a webhook; without a secret the stored one stays.
func (r *Room) SaveHook(ctx context.Context, h Hook) error {
	tenant, err := r.mayConfigure(ctx)
	if err != nil {
		return err
	}
	if err := h.check(); err != nil {
		return err
	}
	if err := r.checkReach(ctx, h.URL); err != nil {
		return err
	}
	row := hookRow{
		TenantID: tenant, Name: h.Name, URL: h.URL, Form: h.Form, Audiences: strings.Join(h.Audiences, "\n"), Quiet: h.Quiet,
		UpdatedAt: r.o.Clock.Now(),
	}
	if h.Form == REST {
		asked, err := json.Marshal(h.Rest)
		if err != nil {
			return fmt.Errorf("channel: hook: %w", err)
		}
		row.Rest = string(asked)
	}
	if len(h.Secret) > 0 {
		if row.Secret, err = r.o.Vault.Seal(hookPurpose, h.Secret); err != nil {
			return fmt.Errorf("channel: hook: %w", err)
		}
	}
	return r.configure(ctx, "channel.hook_saved", "hook:"+h.Name, func(ctx context.Context, db bun.IDB) error {
		if h.NeedsSecret() && len(row.Secret) == 0 {
			kept, err := db.NewSelect().Model((*hookRow)(nil)).Where("tenant_id = ? AND name = ? AND secret IS NOT NULL", tenant, h.Name).Exists(ctx)
			if err != nil {
				return err
			}
			if !kept {
				return fault.New(fault.Invalid, "channel.hook_invalid").Field("secret", "channel.hook_token")
			}
		}
		q := db.NewInsert().Model(&row).On("CONFLICT (tenant_id, name) DO UPDATE").
			Set("url = EXCLUDED.url").Set("form = EXCLUDED.form").Set("audiences = EXCLUDED.audiences").Set("quiet = EXCLUDED.quiet").Set("rest = EXCLUDED.rest").
			Set("updated_at = EXCLUDED.updated_at")
		if len(row.Secret) > 0 {
			q = q.Set("secret = EXCLUDED.secret")
		}
		_, err := q.Exec(ctx)
		return err
	})
}

// NeedsSecret reports whether nothing can be sent without its secret.
func (h Hook) NeedsSecret() bool {
	if h.Form != REST {
		return h.Form.NeedsSecret()
	}
	w, err := h.Rest.Whole()
	return err == nil && w.NeedsSecret()
}

// checkReach refuses an address that no message would be allowed to go to. Names
// are judged when they are looked up, with every message.
func (r *Room) checkReach(ctx context.Context, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || r.o.Reach == nil {
		return nil // the form has judged it
	}
	a, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil
	}
	l, err := r.o.Reach(ctx, ident.TenantOf(ctx))
	if err != nil {
		return fmt.Errorf("channel: where webhooks may go: %w", err)
	}
	if l.Allows(a) != nil {
		return fault.New(fault.Invalid, "channel.hook_invalid").Field("url", "channel.hook_reach")
	}
	return nil
}

// Place is what a page shows of a webhook's address: the rest may be a secret.
func (h Hook) Place() string { return place(h.URL) }

func place(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "…"
	}
	if len(u.RequestURI()) <= 1 {
		return u.Scheme + "://" + u.Host
	}
	return u.Scheme + "://" + u.Host + "/…"
}

// RemoveHook deletes a webhook.
func (r *Room) RemoveHook(ctx context.Context, name string) error {
	tenant, err := r.mayConfigure(ctx)
	if err != nil {
		return err
	}
	return r.configure(ctx, "channel.hook_removed", "hook:"+name, func(ctx context.Context, db bun.IDB) error {
		return gone(db.NewDelete().Model((*hookRow)(nil)).Where("tenant_id = ? AND name = ?", tenant, name).Exec(ctx))
	})
}

// gone reports what became of a removal: what is not there cannot be removed.
func gone(done sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if err == nil && n == 0 {
		return fault.New(fault.NotFound, "channel.no_way")
	}
	return err
}

var errNoAudit = errors.New("channel: no audit log is connected")

func (r *Room) mayConfigure(ctx context.Context) (ident.Tenant, error) {
	if !ident.ActorOf(ctx).Has("admin") {
		return "", fault.New(fault.Forbidden, "channel.admins_only")
	}
	if r.o.Audit == nil {
		return "", errNoAudit
	}
	return ident.RequireTenant(ctx)
}

// configure changes the ways out, with its line in the audit log.
func (r *Room) configure(ctx context.Context, action, subject string, change func(context.Context, bun.IDB) error) error {
	tenant := ident.TenantOf(ctx)
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if err := change(ctx, db); err != nil {
			return fmt.Errorf("%s: %w", action, err)
		}
		r.o.Store.AfterCommit(ctx, func() {
			if r.o.WaysChanged != nil {
				r.o.WaysChanged(tenant)
			}
			r.changed(tenant, subject)
			r.sweep.Kick()
		})
		return r.o.Audit.Record(ctx, audit.Entry{Action: action, Subject: subject})
	})
}

// TestMail queues a short mail to address, to see whether the ways out work.
func (r *Room) TestMail(ctx context.Context, address, subject, text string) (id string, err error) {
	if _, err := r.mayConfigure(ctx); err != nil {
		return "", err
	}
	if a, perr := mail.ParseAddress(address); perr != nil || a.Address != address {
		return "", fault.New(fault.Invalid, "channel.test_to").Field("to", "channel.test_to").With(perr)
	}
	id = "test-" + ident.NewID(r.o.Clock.Now())
	return id, r.Send(ctx, Message{ID: id, Kind: Mail, Class: Single, Realm: Live, To: address, Subject: subject, Text: text, Automatic: true})
}
