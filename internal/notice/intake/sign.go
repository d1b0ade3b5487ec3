package intake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Whoever has read an address in a log may report to it. A source with a key of its
// own must also sign what it sends, by HMAC-SHA256 over the body, as it is documented
// of Sentry, Grafana and GitHub's kind of webhooks.

// signPurpose binds the sealed key to its place.
const signPurpose = "intake signature"

// errUnsigned refuses a body without the signature that its source owes.
var errUnsigned = fault.New(fault.Unauthenticated, "intake.unsigned")

// maxSecret bounds a key, and signedFor how old a signed moment may be.
const (
	minSecret = 8
	maxSecret = 500
	signedFor = 15 * time.Minute
)

// plainSigns are the headers that hold the signature of the body alone, in hex, some
// with "sha256=" before it.
var plainSigns = []string{"Sentry-Hook-Signature", "X-Signature-256", "X-Hub-Signature-256", "X-Tuermer-Signature", "X-Signature"}

// Grafana's, over moment and body where it is set up to tell the moment.
const (
	grafanaSign = "X-Grafana-Alerting-Signature"
	grafanaTime = "X-Grafana-Alerting-Timestamp"
)

// signed reports whether one of the headers signs the body by the key. It takes as
// long for a wrong one as for the right one.
func signed(key []byte, h http.Header, body []byte, now time.Time) bool {
	ok := false
	sum := func(parts ...[]byte) []byte {
		m := hmac.New(sha256.New, key)
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	check := func(said string, want []byte) {
		got, err := hex.DecodeString(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(said)), "sha256="))
		if hmac.Equal(got, want) && err == nil {
			ok = true
		}
	}
	for _, name := range plainSigns {
		if said := h.Get(name); said != "" {
			check(said, sum(body))
		}
	}
	if said := h.Get(grafanaSign); said != "" {
		moment := h.Get(grafanaTime)
		if moment == "" {
			check(said, sum(body))
		} else if s, err := strconv.ParseInt(moment, 10, 64); err == nil && now.Sub(time.Unix(s, 0)).Abs() <= signedFor {
			check(said, sum([]byte(moment+":"), body))
		}
	}
	return ok
}

// verify refuses what is not signed as its source owes. What the node remembers of
// the source may be old, so before it refuses it asks.
func (r *Room) verify(ctx context.Context, a acquaintance, h http.Header, body []byte) (acquaintance, error) {
	now := r.o.Clock.Now()
	ok := func() (bool, error) {
		if len(a.Secret) == 0 {
			return true, nil
		}
		key, err := r.o.Vault.Open(signPurpose, a.Secret)
		if err != nil {
			return false, fmt.Errorf("intake: signature: %w", err)
		}
		return signed(key, h, body, now), nil
	}
	if _, known := r.book.get(a.Token); known {
		if good, err := ok(); err != nil || good {
			return a, err
		}
	}
	var err error
	if a, err = r.ask(ctx, a.Token); err != nil {
		return a, err
	}
	if good, err := ok(); err != nil || good {
		return a, err
	}
	r.unsigned.add(a.TenantID, a.Name)
	if err := r.countUnsigned(ctx, a.TenantID, a.Name, false); err != nil {
		r.ears.missed(now, sourceOf{a.TenantID, a.Name})
		r.o.Log.WarnContext(ctx, "refusals not counted", "room", "intake", "err", err)
	}
	return a, errUnsigned
}

// unsignedCount counts refusals until they are written, once a second at most: whoever
// sends rubbish shall not keep the writer busy.
type unsignedCount struct {
	mu      sync.Mutex
	n       map[sourceOf]int64
	written map[sourceOf]time.Time
}

func (u *unsignedCount) add(t ident.Tenant, name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n == nil {
		u.n, u.written = map[sourceOf]int64{}, map[sourceOf]time.Time{}
	}
	u.n[sourceOf{t, name}]++
}

// take is what has not been written yet; zero while the last time is too near.
func (u *unsignedCount) take(of sourceOf, now time.Time, all bool) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n[of] == 0 || !all && now.Sub(u.written[of]).Abs() < time.Second {
		return 0
	}
	n := u.n[of]
	u.n[of], u.written[of] = 0, now
	return n
}

func (u *unsignedCount) back(of sourceOf, n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.n[of] += n
}

// countUnsigned writes down what was refused, and raises it: it may be an outage whose
// sender has the wrong key.
func (r *Room) countUnsigned(ctx context.Context, t ident.Tenant, name string, all bool) error {
	of, now := sourceOf{t, name}, r.o.Clock.Now()
	n := r.unsigned.take(of, now, all)
	if n == 0 {
		return nil
	}
	ctx = ident.WithActor(ident.WithTenant(context.WithoutCancel(ctx), t), ident.System)
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row, err := r.live(ctx, db, name)
		if err != nil {
			return err
		}
		fresh := row.RefusedAt.IsZero()
		row.Refused, row.RefusedAt = row.Refused+n, now
		if err := r.put(ctx, db, row, "refused", "refused_at"); err != nil {
			return err
		}
		r.hint(ctx, name)
		if !fresh {
			return nil
		}
		return r.tell(ctx, row, aboutSignature, signal.Firing)
	})
	if err != nil {
		r.unsigned.back(of, n)
	}
	return err
}

// Sign has a source sign what it sends from now on by the key; an empty one: it need
// not any more.
func (r *Room) Sign(ctx context.Context, name, key string) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	if key != "" && (len(key) < minSecret || len(key) > maxSecret || strings.ContainsAny(key, "\r\n\x00")) {
		return fault.New(fault.Invalid, "intake.invalid").Field("secret", "intake.secret_bad")
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row, err := r.live(ctx, db, name)
		if err != nil {
			return err
		}
		if row.Format == Mail && key != "" {
			return fault.New(fault.Invalid, "intake.invalid").Field("secret", "intake.secret_no_mail")
		}
		row.Secret = []byte{}
		if key != "" {
			if row.Secret, err = r.o.Vault.Seal(signPurpose, []byte(key)); err != nil {
				return fmt.Errorf("intake: signature: %w", err)
			}
		}
		if !row.RefusedAt.IsZero() {
			if err := r.tell(ctx, row, aboutSignature, signal.Resolved); err != nil {
				return err
			}
		}
		row.Refused, row.RefusedAt, row.QuietFrom = 0, time.Time{}, r.o.Clock.Now()
		if err := r.put(ctx, db, row, "secret", "refused", "refused_at", "quiet_from"); err != nil {
			return err
		}
		r.o.Store.AfterCommit(ctx, func() { r.book.forget(row.Token) })
		r.hint(ctx, name)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "intake.signature_set", Subject: "intake:" + name, Detail: map[string]string{"on": strconv.FormatBool(key != "")}})
	})
}
