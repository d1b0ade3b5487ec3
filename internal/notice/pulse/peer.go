package pulse

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Peer is another install of a mutual watch.
type Peer struct {
	ID       string
	Name     string
	Monitor  string // our heartbeat check for it; empty until it accepted
	Created  time.Time
	Accepted bool
	State    monitor.State // of that check
	Told     Told          // how our last report to it went
}

// peer is one with the address that it gave us.
type peer struct {
	Peer
	address string
}

type peerRow struct {
	bun.BaseModel `bun:"table:pulse_peer"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	Name          string       `bun:"name"`
	Monitor       string       `bun:"monitor"`
	Address       []byte       `bun:"address"`
	CreatedAt     time.Time    `bun:"created_at"`
}

// Purposes of what the vault seals and signs.
const (
	sealAddress = "pulse.peer.address"
	signInvite  = "pulse.invite"
	signState   = "pulse.state"
)

// Bounds and rhythm.
const (
	inviteFor = 7 * 24 * time.Hour
	maxName   = 60
	maxPeers  = 20
	maxBody   = 16 << 10
	// A peer reports every minute; three missed ones and a bit are a silence.
	peerGrace = 3 * time.Minute
)

func (r *Room) peers(ctx context.Context) ([]peer, error) {
	var rows []peerRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("created_at", "id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("pulse: peers: %w", err)
	}
	out := make([]peer, 0, len(rows))
	for _, row := range rows {
		p := peer{Peer: Peer{ID: row.ID, Name: row.Name, Monitor: row.Monitor, Created: clock.Cut(row.CreatedAt)}}
		if len(row.Address) > 0 {
			raw, err := r.o.Vault.Open(sealAddress, row.Address)
			if err != nil {
				return nil, fmt.Errorf("pulse: peer %s: %w", row.ID, err)
			}
			p.address = string(raw)
		}
		out = append(out, p)
	}
	return out, nil
}

// invitation is what the other side gets, as one word to copy.
type invitation struct {
	Version int    `json:"v"`
	Town    string `json:"town"`
	Accept  string `json:"accept"` // where the other side answers, once
}

// greeting is what two installs tell each other.
type greeting struct {
	Town string `json:"town"`
	Ping string `json:"ping"` // where the sender wants to be pinged
}

// plainName is a peer's name as it may stand in pages and alarms.
func plainName(s string) (string, error) {
	s = strings.Join(strings.Fields(s), " ")
	switch n := utf8.RuneCountInString(s); {
	case n == 0:
		return "", fault.New(fault.Invalid, "pulse.invalid").Field("name", "pulse.name_missing")
	case n > maxName || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }):
		return "", fault.New(fault.Invalid, "pulse.invalid").Field("name", "pulse.name_long")
	}
	return s, nil
}

// Invite makes room for a peer and returns the invitation for its administrator.
// It holds for a week and once.
func (r *Room) Invite(ctx context.Context, name string) (code string, err error) {
	if err := mayChange(ctx); err != nil {
		return "", err
	}
	if name, err = plainName(name); err != nil {
		return "", err
	}
	town, err := r.o.Tenants.Current(ctx)
	if err != nil {
		return "", err
	}
	if town.StaffURL == "" {
		return "", fault.New(fault.Conflict, "pulse.no_address")
	}
	now := r.o.Clock.Now()
	id := ident.NewID(now)
	if err := r.insert(ctx, peerRow{TenantID: town.ID, ID: id, Name: name, CreatedAt: now}, "pulse.invited"); err != nil {
		return "", err
	}
	token := r.o.Vault.Sign(signInvite, []byte(string(town.ID)+"\n"+id), now.Add(inviteFor))
	raw, err := json.Marshal(invitation{1, town.Name, strings.TrimRight(town.StaffURL, "/") + "/pulse/accept/" + token})
	if err != nil {
		return "", fmt.Errorf("pulse: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

func (r *Room) insert(ctx context.Context, row peerRow, action string) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		n, err := db.NewSelect().Model((*peerRow)(nil)).Where("tenant_id = ?", row.TenantID).Count(ctx)
		if err != nil {
			return fmt.Errorf("pulse: %w", err)
		}
		if n >= maxPeers {
			return fault.New(fault.Conflict, "pulse.too_many", maxPeers)
		}
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("pulse: %w", err)
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: action, Subject: "peer:" + row.ID, Detail: map[string]string{"name": row.Name}})
	})
}

// watch makes our heartbeat check for a peer and returns its slug and the address
// at which the peer reports.
func (r *Room) watch(ctx context.Context, id, name string) (slug, ping string, err error) {
	town, err := r.o.Tenants.Current(ctx)
	if err != nil {
		return "", "", err
	}
	if town.StaffURL == "" {
		return "", "", fault.New(fault.Conflict, "pulse.no_address")
	}
	slug = "tuermer-" + strings.ToLower(id[len(id)-8:])
	l := r.o.Locale(ctx)
	err = r.o.Monitors.Create(ctx, monitor.Monitor{
		Slug: slug, Name: l.Catalog.Text(l.Lang, "pulse.monitor_name", name),
		Spec: monitor.Spec{Kind: monitor.Heartbeat, Interval: monitor.Duration(Every), Grace: monitor.Duration(peerGrace)},
	})
	if err != nil {
		return "", "", err
	}
	m, err := r.o.Monitors.Get(ctx, slug)
	return slug, strings.TrimRight(town.StaffURL, "/") + "/ping/" + m.PingKey, err
}

// ErrInvitation is an invitation that is no longer good, or was none.
var ErrInvitation = fault.New(fault.Invalid, "pulse.bad_invitation").Field("code", "pulse.bad_invitation")

// parseInvitation reads a code as people paste it.
func parseInvitation(code string) (invitation, error) {
	code = strings.Join(strings.Fields(code), "")
	raw, err := base64.RawURLEncoding.DecodeString(code)
	if err != nil || len(raw) > maxBody {
		return invitation{}, ErrInvitation
	}
	var in invitation
	if err := json.Unmarshal(raw, &in); err != nil || in.Version != 1 || !webAddress(in.Accept) || !strings.Contains(in.Accept, "/pulse/accept/") {
		return invitation{}, ErrInvitation
	}
	return in, nil
}

func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && len(s) < 2000
}

// Join accepts another town's invitation: both sides then watch each other. When
// the other side cannot be told, nothing is left behind here.
func (r *Room) Join(ctx context.Context, name, code string) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	name, err := plainName(name)
	if err != nil {
		return err
	}
	in, err := parseInvitation(code)
	if err != nil {
		return err
	}
	town, err := r.o.Tenants.Current(ctx)
	if err != nil {
		return err
	}
	now := r.o.Clock.Now()
	id := ident.NewID(now)
	row := peerRow{TenantID: town.ID, ID: id, Name: name, CreatedAt: now}
	var mine string
	err = r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		if row.Monitor, mine, err = r.watch(ctx, id, name); err != nil {
			return err
		}
		return r.insert(ctx, row, "pulse.joined")
	})
	if err != nil {
		return err
	}
	theirs, err := r.greet(ctx, in.Accept, greeting{town.Name, mine})
	if err == nil {
		err = r.setAddress(ctx, id, theirs.Ping)
	}
	if err != nil {
		r.o.Log.WarnContext(ctx, "the other install did not take our answer", "err", err)
		if rerr := r.Remove(ctx, id); rerr != nil {
			return rerr
		}
		return fault.New(fault.Invalid, "pulse.not_reached").Field("code", "pulse.not_reached").With(err)
	}
	r.sweeper.Kick()
	return nil
}

// greet tells the other side where we want to be pinged and hears the same.
func (r *Room) greet(ctx context.Context, address string, g greeting) (greeting, error) {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	raw, err := json.Marshal(g)
	if err != nil {
		return greeting{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(raw))
	if err != nil {
		return greeting{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := r.o.Held.Do(req)
	if err != nil {
		return greeting{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return greeting{}, err
	}
	if res.StatusCode != http.StatusOK {
		return greeting{}, statusError(res.StatusCode)
	}
	return parseGreeting(body)
}

func parseGreeting(body []byte) (greeting, error) {
	var g greeting
	if err := json.Unmarshal(body, &g); err != nil || !webAddress(g.Ping) || !strings.Contains(g.Ping, "/ping/") {
		return greeting{}, ErrInvitation
	}
	return g, nil
}

// setAddress keeps where a peer wants to be pinged.
func (r *Room) setAddress(ctx context.Context, id, address string) error {
	sealed, err := r.o.Vault.Seal(sealAddress, []byte(address))
	if err != nil {
		return fmt.Errorf("pulse: %w", err)
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.NewUpdate().Model((*peerRow)(nil)).Set("address = ?", sealed).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Exec(ctx)
		return err
	})
}

// accepted takes the other side's answer to our invitation, once. The token is
// all that it shows, so this acts as the system.
func (r *Room) accepted(ctx context.Context, token string, body []byte) (greeting, error) {
	payload, err := r.o.Vault.Verify(signInvite, token, r.o.Clock.Now())
	if err != nil {
		return greeting{}, ErrInvitation
	}
	tenant, id, _ := strings.Cut(string(payload), "\n")
	if ident.Tenant(tenant) != ident.TenantOf(ctx) {
		return greeting{}, ErrInvitation // another town's, on the same install
	}
	theirs, err := parseGreeting(body)
	if err != nil {
		return greeting{}, err
	}
	ctx = ident.WithActor(ctx, ident.System)
	town, err := r.o.Tenants.Current(ctx)
	if err != nil {
		return greeting{}, err
	}
	mine := greeting{Town: town.Name}
	sealed, err := r.o.Vault.Seal(sealAddress, []byte(theirs.Ping))
	if err != nil {
		return greeting{}, fmt.Errorf("pulse: %w", err)
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		// One of two answers wins: the other finds no row without an address.
		res, err := db.NewUpdate().Model((*peerRow)(nil)).Set("address = ?", sealed).
			Where("tenant_id = ? AND id = ? AND address IS NULL", ident.TenantOf(ctx), id).Exec(ctx)
		if err != nil {
			return fmt.Errorf("pulse: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return ErrInvitation
		}
		var row peerRow
		if err := db.NewSelect().Model(&row).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Scan(ctx); err != nil {
			return fmt.Errorf("pulse: %w", err)
		}
		slug, ping, err := r.watch(ctx, id, row.Name)
		if err != nil {
			return err
		}
		mine.Ping = ping
		if _, err := db.NewUpdate().Model((*peerRow)(nil)).Set("monitor = ?", slug).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Exec(ctx); err != nil {
			return fmt.Errorf("pulse: %w", err)
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "pulse.accepted", Subject: "peer:" + id, Detail: map[string]string{"name": row.Name}})
	})
	if err == nil {
		r.sweeper.Kick()
	}
	return mine, err
}

// Remove ends a mutual watch on our side. Our check for the peer stays paused
// nowhere: it goes with it, or it would alarm for ever.
func (r *Room) Remove(ctx context.Context, id string) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var row peerRow
		err := db.NewSelect().Model(&row).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Scan(ctx)
		if store.NotFound(err) {
			return fault.New(fault.NotFound, "pulse.no_peer")
		}
		if err != nil {
			return fmt.Errorf("pulse: %w", err)
		}
		if row.Monitor != "" {
			if err := r.o.Monitors.Remove(ctx, row.Monitor); err != nil && fault.KindOf(err) != fault.NotFound {
				return err
			}
		}
		if _, err := db.NewDelete().Model((*peerRow)(nil)).Where("tenant_id = ? AND id = ?", ident.TenantOf(ctx), id).Exec(ctx); err != nil {
			return fmt.Errorf("pulse: %w", err)
		}
		return r.o.Audit.Record(ctx, audit.Entry{Action: "pulse.removed", Subject: "peer:" + id, Detail: map[string]string{"name": row.Name}})
	})
}

// state is what whoever holds the key may read of how we are.
type state struct {
	Alive bool      `json:"alive"`
	OK    bool      `json:"ok"`
	At    time.Time `json:"at"` // of the last self-check
	Ill   []Reason  `json:"ill"`
	Alarm string    `json:"last_alarm_delivered,omitempty"`
}

// forever is beyond any install; a key of a town never expires, it goes with the
// instance key.
var forever = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// StateURL is where others read how the town's Türmer is; administrators may see
// it, for it is a key.
func (r *Room) StateURL(ctx context.Context) (string, error) {
	if err := mayChange(ctx); err != nil {
		return "", err
	}
	town, err := r.o.Tenants.Current(ctx)
	if err != nil || town.StaffURL == "" {
		return "", err
	}
	return strings.TrimRight(town.StaffURL, "/") + "/pulse/state/" + r.o.Vault.Sign(signState, []byte(town.ID), forever), nil
}

// stateFor answers the holder of the key.
func (r *Room) stateFor(ctx context.Context, key string) (state, error) {
	payload, err := r.o.Vault.Verify(signState, key, r.o.Clock.Now())
	if err != nil || ident.Tenant(payload) != ident.TenantOf(ctx) {
		return state{}, fault.New(fault.NotFound, "pulse.no_state")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := state{Alive: true, Ill: []Reason{}}
	t := r.towns[ident.TenantOf(ctx)]
	if t == nil {
		return s, nil // not examined yet: not OK
	}
	s.OK, s.At = t.verdict.OK(), t.verdict.At
	s.Ill = append(s.Ill, t.verdict.Ill...)
	if r.o.Clock.Now().Sub(s.At) > 3*Every { // the self-check itself stands still
		s.OK = false
	}
	if !t.verdict.Alarm.IsZero() {
		s.Alarm = t.verdict.Alarm.UTC().Format(time.RFC3339)
	}
	return s, nil
}
