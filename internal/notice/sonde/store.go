package sonde

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

type sondeRow struct {
	bun.BaseModel `bun:"table:sonde_sonde"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Name          string       `bun:"name,pk"`
	CreatedAt     time.Time    `bun:"created_at"`
	Token         string       `bun:"token"` // digest
	TokenUntil    time.Time    `bun:"token_until,nullzero"`
	KeyID         string       `bun:"key_id"`
	PublicKey     []byte       `bun:"public_key,nullzero"`
	JoinedAt      time.Time    `bun:"joined_at,nullzero"`
	RevokedAt     time.Time    `bun:"revoked_at,nullzero"`
	RefusedAt     time.Time    `bun:"refused_at,nullzero"`
	SeenAt        time.Time    `bun:"seen_at,nullzero"`
	ClockMS       int64        `bun:"clock_ms"`
	Waiting       int64        `bun:"waiting"`
	Dropped       int64        `bun:"dropped"`
	Version       string       `bun:"version"`
	Silent        bool         `bun:"silent"`
	Episode       int64        `bun:"episode"`
}

type nonceRow struct {
	bun.BaseModel `bun:"table:sonde_nonce"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	KeyID         string       `bun:"key_id,pk"`
	Nonce         string       `bun:"nonce,pk"`
	Until         time.Time    `bun:"until"`
}

type verdictRow struct {
	bun.BaseModel `bun:"table:sonde_verdict"`
	TenantID      ident.Tenant  `bun:"tenant_id,pk"`
	Sonde         string        `bun:"sonde,pk"`
	Monitor       string        `bun:"monitor,pk"`
	State         monitor.State `bun:"state"`
	Since         time.Time     `bun:"since"`
	At            time.Time     `bun:"at"`
	Last          string        `bun:"last"` // JSON
}

type resultRow struct {
	bun.BaseModel `bun:"table:sonde_result"`
	TenantID      ident.Tenant   `bun:"tenant_id,pk"`
	Sonde         string         `bun:"sonde,pk"`
	Monitor       string         `bun:"monitor,pk"`
	At            time.Time      `bun:"at,pk"`
	SeenAt        time.Time      `bun:"seen_at"`
	TookMS        int64          `bun:"took_ms"`
	OK            bool           `bun:"ok"`
	Reason        monitor.Reason `bun:"reason"`
	Code          int            `bun:"code"`
	Detail        string         `bun:"detail"`
}

func (row sondeRow) sonde() Sonde {
	return Sonde{
		Name: row.Name, CreatedAt: when(row.CreatedAt), TokenUntil: when(row.TokenUntil), KeyID: row.KeyID, JoinedAt: when(row.JoinedAt),
		RevokedAt: when(row.RevokedAt), RefusedAt: when(row.RefusedAt), SeenAt: when(row.SeenAt),
		Clock: time.Duration(row.ClockMS) * time.Millisecond, Waiting: row.Waiting, Dropped: row.Dropped, Version: row.Version, Silent: row.Silent,
	}
}

func when(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return clock.Cut(t)
}

func (row verdictRow) verdict() (verdict, error) {
	v := verdict{State: row.State, Since: when(row.Since), At: when(row.At)}
	if err := json.Unmarshal([]byte(row.Last), &v.Last); err != nil {
		return v, fmt.Errorf("sonde: verdict of %s on %s: %w", row.Sonde, row.Monitor, err)
	}
	return v, nil
}

// digest is how a one-time token is stored.
func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// TokenPrefix begins every one-time token of a sonde.
const TokenPrefix = "tuermer_sonde_"

// mayChange is the right to add and revoke sondes.
func mayChange(ctx context.Context) error {
	if !ident.ActorOf(ctx).Has("admin") {
		return fault.New(fault.Forbidden, "sonde.forbidden")
	}
	return nil
}

// Add makes room for a sonde and answers its one-time token, which is told only
// here. A name that was revoked may be given again.
func (r *Room) Add(ctx context.Context, name string) (token string, err error) {
	if err := mayChange(ctx); err != nil {
		return "", err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return "", err
	}
	name = strings.TrimSpace(name)
	if !service.ValidSlug(name) {
		return "", fault.New(fault.Invalid, "sonde.invalid").Field("name", "service.bad_slug")
	}
	token = newToken()
	now := r.o.Clock.Now()
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		old, err := r.get(ctx, db, name)
		switch {
		case err == nil && old.RevokedAt.IsZero():
			return fault.New(fault.Conflict, "sonde.exists", name).Field("name", "sonde.name_taken")
		case err != nil && fault.KindOf(err) != fault.NotFound:
			return err
		}
		row := sondeRow{
			TenantID: tenant, Name: name, CreatedAt: now, Token: digest(token), TokenUntil: now.Add(TokenLasts), Episode: old.Episode,
		}
		_, err = db.NewInsert().Model(&row).On("CONFLICT (tenant_id, name) DO UPDATE").
			Set("created_at = EXCLUDED.created_at, token = EXCLUDED.token, token_until = EXCLUDED.token_until, key_id = EXCLUDED.key_id").
			Set("public_key = NULL, joined_at = NULL, revoked_at = NULL, refused_at = NULL, seen_at = NULL").
			Set("clock_ms = 0, waiting = 0, dropped = 0, version = '', silent = EXCLUDED.silent").Exec(ctx)
		if err != nil {
			return fmt.Errorf("sonde: add: %w", err)
		}
		r.hint(ctx, name)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "sonde.added", Subject: "sonde:" + name})
	})
	return token, err
}

func newToken() string { return TokenPrefix + strings.ToLower(rand.Text()) }

// Renew gives a sonde a new one-time token, for a machine that has lost its key.
// The old key is good until the new one has joined.
func (r *Room) Renew(ctx context.Context, name string) (token string, err error) {
	if err := mayChange(ctx); err != nil {
		return "", err
	}
	token = newToken()
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row, err := r.lock(ctx, db, name)
		if err != nil {
			return err
		}
		if !row.RevokedAt.IsZero() {
			return fault.New(fault.Conflict, "sonde.is_revoked", name)
		}
		row.Token, row.TokenUntil = digest(token), r.o.Clock.Now().Add(TokenLasts)
		if err := r.put(ctx, db, row, "token", "token_until"); err != nil {
			return err
		}
		r.hint(ctx, name)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "sonde.renewed", Subject: "sonde:" + name})
	})
	return token, err
}

// Revoke refuses the sonde's key from this moment on. Its voice no longer counts,
// and if it was silent that is over.
func (r *Room) Revoke(ctx context.Context, name string) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row, err := r.lock(ctx, db, name)
		if err != nil || !row.RevokedAt.IsZero() {
			return err
		}
		row.RevokedAt, row.Token, row.TokenUntil = r.o.Clock.Now(), "", time.Time{}
		silent := row.Silent
		row.Silent = false
		if err := r.put(ctx, db, row, "revoked_at", "token", "token_until", "silent"); err != nil {
			return err
		}
		if _, err := db.NewDelete().Model((*verdictRow)(nil)).Where("tenant_id = ? AND sonde = ?", row.TenantID, name).Exec(ctx); err != nil {
			return fmt.Errorf("sonde: revoke: %w", err)
		}
		if silent {
			if err := r.tell(ctx, row, signal.Resolved); err != nil {
				return err
			}
		}
		if err := r.reweigh(ctx, name); err != nil {
			return err
		}
		r.hint(ctx, name)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "sonde.revoked", Subject: "sonde:" + name, Detail: map[string]string{"key": row.KeyID}})
	})
}

func (r *Room) get(ctx context.Context, db bun.IDB, name string) (sondeRow, error) {
	var row sondeRow
	err := db.NewSelect().Model(&row).Where("tenant_id = ? AND name = ?", ident.TenantOf(ctx), name).Scan(ctx)
	if store.NotFound(err) {
		return row, fault.New(fault.NotFound, "sonde.not_found", name)
	}
	if err != nil {
		return row, fmt.Errorf("sonde: get: %w", err)
	}
	return row, nil
}

// lock reads a sonde and holds its row until the commit.
func (r *Room) lock(ctx context.Context, db bun.IDB, name string) (sondeRow, error) {
	if _, err := db.NewUpdate().Model((*sondeRow)(nil)).Set("name = name").
		Where("tenant_id = ? AND name = ?", ident.TenantOf(ctx), name).Exec(ctx); err != nil {
		return sondeRow{}, fmt.Errorf("sonde: lock: %w", err)
	}
	return r.get(ctx, db, name)
}

func (r *Room) put(ctx context.Context, db bun.IDB, row sondeRow, columns ...string) error {
	if _, err := db.NewUpdate().Model(&row).WherePK().Column(columns...).Exec(ctx); err != nil {
		return fmt.Errorf("sonde: save: %w", err)
	}
	return nil
}

// Get is the sonde named so.
func (r *Room) Get(ctx context.Context, name string) (Sonde, error) {
	row, err := r.get(ctx, r.o.Store.Read(ctx), name)
	return row.sonde(), err
}

// List lists the sondes by name, revoked ones too.
func (r *Room) List(ctx context.Context) ([]Sonde, error) {
	var rows []sondeRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ?", ident.TenantOf(ctx)).Order("name").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("sonde: list: %w", err)
	}
	out := make([]Sonde, len(rows))
	for i, row := range rows {
		out[i] = row.sonde()
	}
	return out, nil
}

// Sondes implements [monitor.Vantages]: the names of those not revoked.
func (r *Room) Sondes(ctx context.Context) ([]string, error) {
	all, err := r.List(ctx)
	var out []string
	for _, s := range all {
		if s.State() != Revoked {
			out = append(out, s.Name)
		}
	}
	return out, err
}

// Sightings implements [monitor.Vantages].
func (r *Room) Sightings(ctx context.Context, slug string, names []string) ([]monitor.Sighting, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var rows []verdictRow
	tenant := ident.TenantOf(ctx)
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND monitor = ? AND sonde IN (?)", tenant, slug, bun.List(names)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("sonde: sightings: %w", err)
	}
	var mute []string
	err = r.o.Store.Read(ctx).NewSelect().Model((*sondeRow)(nil)).Column("name").
		Where("tenant_id = ? AND name IN (?) AND (silent = ? OR revoked_at IS NOT NULL OR joined_at IS NULL)", tenant, bun.List(names), true).Scan(ctx, &mute)
	if err != nil {
		return nil, fmt.Errorf("sonde: sightings: %w", err)
	}
	silent := map[string]bool{}
	for _, n := range mute {
		silent[n] = true
	}
	out := make([]monitor.Sighting, 0, len(rows))
	for _, row := range rows {
		v, err := row.verdict()
		if err != nil {
			return nil, err
		}
		out = append(out, monitor.Sighting{
			Sonde: row.Sonde, State: v.State, Since: v.Since, At: v.At, Last: v.Last, Silent: silent[row.Sonde],
		})
	}
	return out, nil
}

// byKey finds the sonde of a key.
func (r *Room) byKey(ctx context.Context, key string) (sondeRow, error) {
	var row sondeRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&row).Where("tenant_id = ? AND key_id = ?", ident.TenantOf(ctx), key).
		Order("created_at DESC").Limit(1).Scan(ctx)
	return row, err
}

// join gives the holder of a one-time token's key its place. The same key may
// ask again with the token that it has used: the answer may have been lost.
func (r *Room) join(ctx context.Context, j joining) (name string, err error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return "", err
	}
	now := r.o.Clock.Now()
	pub := ed25519.PublicKey(j.Key)
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var row sondeRow
		err := db.NewSelect().Model(&row).Where("tenant_id = ? AND token = ? AND token <> ''", tenant, digest(j.Token)).Scan(ctx)
		if store.NotFound(err) {
			return refuse(refusedToken)
		}
		if err != nil {
			return fmt.Errorf("sonde: join: %w", err)
		}
		if row, err = r.lock(ctx, db, row.Name); err != nil {
			return err
		}
		name = row.Name
		used := row.TokenUntil.IsZero()
		switch {
		case row.Token != digest(j.Token), !row.RevokedAt.IsZero():
			return refuse(refusedToken)
		case used && row.KeyID == KeyID(pub):
			return nil
		case used || !row.TokenUntil.After(now):
			return refuse(refusedToken)
		}
		row.KeyID, row.PublicKey, row.JoinedAt, row.SeenAt, row.TokenUntil, row.Version = KeyID(pub), pub, now, now, time.Time{}, short(j.Version)
		if err := r.put(ctx, db, row, "key_id", "public_key", "joined_at", "seen_at", "token_until", "version"); err != nil {
			return err
		}
		r.hint(ctx, name)
		r.o.Store.AfterCommit(ctx, r.sweeper.Kick)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "sonde.joined", Subject: "sonde:" + name, Detail: map[string]string{"key": row.KeyID}})
	})
	return name, err
}

// Result is one result of a sonde, with the moment by our clock.
type Result struct {
	Monitor string
	monitor.Result
}

// Results lists the results of a sonde, newest first; slug may be empty. before
// and after continue behind the last one seen: its moment and its monitor.
func (r *Room) Results(ctx context.Context, name, slug string, before time.Time, after string, limit int) ([]Result, error) {
	var rows []resultRow
	q := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND sonde = ?", ident.TenantOf(ctx), name).
		Order("seen_at DESC", "monitor").Limit(int64(min(max(limit, 1), 10_000)))
	if slug != "" {
		q = q.Where("monitor = ?", slug)
	}
	if !before.IsZero() {
		q = q.Where("(seen_at < ? OR seen_at = ? AND monitor > ?)", before, before, after)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("sonde: results: %w", err)
	}
	out := make([]Result, len(rows))
	for i, row := range rows {
		out[i] = Result{row.Monitor, monitor.Result{
			At: when(row.SeenAt), Took: time.Duration(row.TookMS) * time.Millisecond, OK: row.OK, Reason: row.Reason, Code: row.Code, Detail: row.Detail,
		}}
	}
	return out, nil
}
