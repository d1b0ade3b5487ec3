package sonde

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/web"
)

// refusedError carries a refusal out of a transaction.
type refusedError struct {
	why  refusal
	wait time.Duration
}

func (e refusedError) Error() string { return "sonde: refused: " + string(e.why) }

func refuse(why refusal) error { return refusedError{why: why} }

// linkRoutes are the addresses that sondes speak to. They need no sign-in: each
// request proves itself.
func (r *Room) linkRoutes(s *web.Site) {
	s.Handle("POST "+actJoin.path(), r.gate(actJoin, r.postJoin))
	s.Handle("POST "+actWatch.path(), r.gate(actWatch, r.postWatch))
	s.Handle("POST "+actReport.path(), r.gate(actReport, r.postReport))
}

// gate reads a signed request, lets do answer it, and says refusals in the form
// that sondes understand.
func (r *Room) gate(a act, do func(ctx context.Context, s signed) (answer, error)) web.Handler {
	return func(w http.ResponseWriter, req *http.Request) error {
		ctx := req.Context()
		door := string(ident.TenantOf(ctx)) + " " + addressOf(req)
		s, err := readSigned(req, a)
		if err == nil {
			var out answer
			out, err = do(ctx, s)
			if err == nil {
				return r.say(w, http.StatusOK, out)
			}
		} else if errors.Is(err, errShape) {
			err = refuse(refusedUnknown)
		}
		if errors.Is(err, errDelivery) {
			r.o.Log.WarnContext(ctx, "a sonde sent what nobody understands", "room", "sonde", "key", s.key, "err", err)
			err = refuse(refusedBody)
		}
		no, ok := errors.AsType[refusedError](err)
		if !ok {
			return err
		}
		if no.why == refusedUnknown || no.why == refusedToken || no.why == refusedReplay {
			if wait := r.doors.take(r.o.Clock.Now(), door); wait > 0 {
				no = refusedError{refusedPace, wait}
			}
		}
		if no.wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int((no.wait+time.Second-1)/time.Second)))
		}
		return r.say(w, no.why.status(), answer{Refused: no.why, Words: i18n.T(ctx, "sonde.refused_"+string(no.why))})
	}
}

func (r *Room) say(w http.ResponseWriter, status int, out answer) error {
	out.Time = r.o.Clock.Now().UnixMilli()
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("sonde: answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the sonde may be gone; it asks again
	return nil
}

// addressOf is whom failed requests are counted against. A proxy is believed
// only on the same machine.
func addressOf(req *http.Request) string {
	host, _, err := net.SplitHostPort(req.RemoteAddr)
	if err != nil {
		host = req.RemoteAddr
	}
	if peer, err := netip.ParseAddr(host); err == nil && peer.Unmap().IsLoopback() {
		hops := strings.Split(strings.Join(req.Header.Values("X-Forwarded-For"), ","), ",")
		if a, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1])); err == nil {
			host = a.String()
		}
	}
	return host
}

// prove finds who signed the request: a key that was never told, a wrong
// signature, a revoked key, a moment too far away and too many requests are
// refused here, a used nonce in [Room.spend].
func (r *Room) prove(ctx context.Context, s signed) (sondeRow, error) {
	row, err := r.byKey(ctx, s.key)
	switch {
	case store.NotFound(err):
		return row, refuse(refusedUnknown)
	case err != nil:
		return row, fmt.Errorf("sonde: key: %w", err)
	case !s.by(row.PublicKey):
		return row, refuse(refusedUnknown)
	}
	now := r.o.Clock.Now()
	if !row.RevokedAt.IsZero() {
		return row, errors.Join(refuse(refusedRevoked), r.refused(ctx, row, now))
	}
	if s.at().Sub(now).Abs() > window {
		return row, refuse(refusedClock)
	}
	if wait := r.keys.take(now, string(row.TenantID)+" "+s.key); wait > 0 {
		return row, refusedError{refusedPace, wait}
	}
	return row, nil
}

// refused notes that a revoked key was tried, for the console.
func (r *Room) refused(ctx context.Context, row sondeRow, now time.Time) error {
	if now.Sub(row.RefusedAt) < time.Minute {
		return nil
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row.RefusedAt = now
		r.hint(ctx, row.Name)
		return r.put(ctx, db, row, "refused_at")
	})
}

// spend takes the nonce in, inside the transaction of what the request does: a
// second time it is refused, and a request that failed may come again.
func (r *Room) spend(ctx context.Context, db bun.IDB, tenant ident.Tenant, s signed) error {
	n := nonceRow{TenantID: tenant, KeyID: s.key, Nonce: s.nonce, Until: r.o.Clock.Now().Add(3 * window)}
	res, err := db.NewInsert().Model(&n).On("CONFLICT DO NOTHING").Exec(ctx)
	if err != nil {
		return fmt.Errorf("sonde: nonce: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(refuse(refusedReplay), err)
	}
	return nil
}

// heard notes a sign of life inside a transaction, and answers how far the
// sonde's clock is behind ours.
func (r *Room) heard(ctx context.Context, db bun.IDB, row *sondeRow, s signed, sent, waiting, dropped int64, version string) (time.Duration, error) {
	if err := r.spend(ctx, db, row.TenantID, s); err != nil {
		return 0, err
	}
	fresh, err := r.lock(ctx, db, row.Name)
	if err != nil {
		return 0, err
	}
	if fresh.KeyID != s.key || !fresh.RevokedAt.IsZero() { // between prove and here
		return 0, refuse(refusedRevoked)
	}
	now := r.o.Clock.Now()
	was := fresh
	off := steady(time.Duration(was.ClockMS)*time.Millisecond, now.Sub(time.UnixMilli(sent)))
	fresh.SeenAt, fresh.ClockMS, fresh.Waiting, fresh.Dropped, fresh.Version = now, off.Milliseconds(), waiting, dropped, version
	if err := r.put(ctx, db, fresh, "seen_at", "clock_ms", "waiting", "dropped", "version"); err != nil {
		return 0, err
	}
	if was.Silent {
		if err := r.returns(ctx, db, fresh); err != nil {
			return 0, err
		}
		r.hint(ctx, row.Name)
	}
	*row = fresh
	return off, nil
}

func (r *Room) postJoin(ctx context.Context, s signed) (answer, error) {
	var j joining
	if err := parseSmall(s.body, &j); err != nil {
		return answer{}, err
	}
	if !s.by(j.Key) || !strings.HasPrefix(j.Token, TokenPrefix) {
		return answer{}, refuse(refusedToken)
	}
	if s.at().Sub(r.o.Clock.Now()).Abs() > window {
		return answer{}, refuse(refusedClock)
	}
	name, err := r.join(ident.WithActor(ctx, ident.System), j)
	return answer{Name: name}, err
}

func (r *Room) postWatch(ctx context.Context, s signed) (answer, error) {
	row, err := r.prove(ctx, s)
	if err != nil {
		return answer{}, err
	}
	var in watching
	if err := parseSmall(s.body, &in); err != nil {
		return answer{}, err
	}
	if !plausible(in.Sent) || in.Waiting < 0 || in.Dropped < 0 {
		return answer{}, errDelivery
	}
	ctx = ident.WithActor(ctx, ident.System)
	var sub *bus.Subscription
	if r.o.Hints != nil { // before the look, so that nothing is missed in between
		tenant, name := row.TenantID, row.Name // the row is written to below, and hints come at any time
		sub = r.o.Hints.Subscribe(func(h bus.Hint) bool {
			return h.Tenant == tenant && (h.Topic == "monitor" || h.Topic == "sonde" && h.ID == name)
		})
		defer sub.Close()
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := r.heard(ctx, db, &row, s, in.Sent, in.Waiting, in.Dropped, short(in.Version))
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return r.news(ctx, row, in, sub)
}

// news waits until the sonde should know something new.
func (r *Room) news(ctx context.Context, row sondeRow, in watching, sub *bus.Subscription) (answer, error) {
	end := time.NewTimer(min(max(time.Duration(in.Wait)*time.Second, 0), maxWait))
	defer end.Stop()
	var hints chan bus.Hint
	if sub != nil {
		hints = sub.C
	}
	for last := in.Wait <= 0; ; {
		out, err := r.assignment(ctx, row, in.ETag)
		if err != nil || out.ETag != "" || len(out.Look) > 0 || last {
			return out, err
		}
		select {
		case <-ctx.Done():
			return answer{}, ctx.Err()
		case <-end.C:
			last = true
		case <-hints:
			gather(ctx, hints)
			fresh, err := r.byKey(ctx, row.KeyID)
			if err == nil && fresh.RevokedAt.IsZero() {
				continue
			}
			if err == nil || store.NotFound(err) {
				err = refuse(refusedRevoked)
			}
			return answer{}, err
		}
	}
}

// gather lets the hints of one moment be one look.
func gather(ctx context.Context, hints <-chan bus.Hint) {
	t := time.NewTimer(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-hints:
		case <-t.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// assignment is what the sonde looks at, unless etag names it already, and which
// of it somebody is in doubt about.
func (r *Room) assignment(ctx context.Context, row sondeRow, etag string) (answer, error) {
	ms, err := r.o.Monitors.SeenBy(ctx, row.Name)
	if err != nil {
		return answer{}, err
	}
	within, err := r.within(ctx, ms)
	if err != nil {
		return answer{}, err
	}
	list := make([]assigned, 0, len(ms))
	var doubts []monitor.Monitor
	for _, m := range ms {
		o := order{Spec: m.Spec.ForSonde()}
		if !m.Declared {
			o.Within = within
		}
		raw, err := json.Marshal(o)
		if err != nil {
			return answer{}, fmt.Errorf("sonde: assignment: %w", err)
		}
		list = append(list, assigned{m.Slug, raw})
		if !m.DoubtSince().IsZero() {
			doubts = append(doubts, m)
		}
	}
	out := answer{Name: row.Name}
	if now := etagOf(list); now != etag {
		out.ETag, out.Monitors = now, list
	}
	out.Look, err = r.look(ctx, row, doubts)
	return out, err
}

// within is where the checks that the town's people entered may go; nil when
// none of the monitors is theirs. Without a list they go nowhere.
func (r *Room) within(ctx context.Context, ms []monitor.Monitor) (*fence.List, error) {
	if !slices.ContainsFunc(ms, func(m monitor.Monitor) bool { return !m.Declared }) {
		return nil, nil
	}
	if r.o.Reach == nil {
		return &fence.List{}, nil
	}
	l, err := r.o.Reach(ctx, ident.TenantOf(ctx))
	if err != nil {
		return nil, fmt.Errorf("sonde: where checks may go: %w", err)
	}
	return &l, nil
}

// look lists the monitors that the sonde has not looked at since the doubt began
// and was not asked to. What is lost on the way is healed by the interval.
func (r *Room) look(ctx context.Context, row sondeRow, doubts []monitor.Monitor) ([]string, error) {
	var out []string
	for _, m := range doubts {
		seen, err := r.Sightings(ctx, m.Slug, []string{row.Name})
		if err != nil {
			return nil, err
		}
		since := m.DoubtSince()
		if len(seen) == 1 && !seen[0].At.Before(since) {
			continue
		}
		key := string(row.TenantID) + "/" + row.Name + "/" + m.Slug
		r.mu.Lock()
		if !r.asked[key].Equal(since) {
			if len(r.asked) > 50_000 {
				clear(r.asked)
			}
			r.asked[key] = since
			out = append(out, m.Slug)
		}
		r.mu.Unlock()
	}
	return out, nil
}

func (r *Room) postReport(ctx context.Context, s signed) (answer, error) {
	row, err := r.prove(ctx, s)
	if err != nil {
		return answer{}, err
	}
	d, err := ParseDelivery(s.body)
	if err != nil {
		return answer{}, err
	}
	err = r.take(ident.WithActor(ctx, ident.System), row, s, d)
	if fault.KindOf(err) == fault.NotFound { // removed between prove and here
		err = refuse(refusedUnknown)
	}
	return answer{Name: row.Name}, err
}
