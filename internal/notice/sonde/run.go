package sonde

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
)

// RunOptions configures [Run]. Server, Dir, Key, HTTP and Probers are required.
type RunOptions struct {
	Server  string // https://lage.musterstadt.example
	Dir     string // of the spool and the last assignment
	Key     ed25519.PrivateKey
	Token   string // the one-time token; empty after the first time
	Version string
	HTTP    *http.Client
	Probers monitor.Probers
	// Clock should be one that nobody sets while it runs: [clock.Steady].
	Clock clock.Clock
	Log   *slog.Logger
	// SpoolMax is how many results the spool holds; zero: 100,000.
	SpoolMax int
	// Ready is told once the server has answered for the first time. Optional.
	Ready func(name string)
}

// Errors with which a sonde ends, because asking again would change nothing.
var (
	ErrRevoked  = fault.New(fault.Forbidden, "sonde.run_revoked")
	ErrUnknown  = fault.New(fault.Unauthenticated, "sonde.run_unknown")
	ErrBadToken = fault.New(fault.Forbidden, "sonde.run_token")
)

// The pace of asking again.
const (
	firstPause = time.Second
	longPause  = 30 * time.Second
	// company is how long a healthy result waits for others.
	company = 2 * time.Second
)

// outpost is a sonde that runs.
type outpost struct {
	o      RunOptions
	spool  *Spool
	engine *monitor.Engine
	kick   chan struct{}
	ready  sync.Once

	mu   sync.Mutex
	etag string
	skew time.Duration // what the server's clock is ahead of ours
}

// Run looks at what the server says and reports what it sees, until ctx ends or
// the server refuses the key for good.
func Run(ctx context.Context, o RunOptions) (err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.NewSteady()
	}
	s := &outpost{o: o, kick: make(chan struct{}, 1)}
	if s.spool, err = OpenSpool(o.Dir, o.SpoolMax); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.spool.Close()) }()
	s.engine = monitor.NewEngine(monitor.EngineOptions{
		Probers: o.Probers, Now: o.Clock.Now, Sink: s.take, Log: o.Log, FlushAfter: 500 * time.Millisecond, PerHost: 8, InFlight: 512,
	})
	s.restore()
	s.engine.Start(ctx)
	defer s.engine.Stop() // what is in flight still goes into the spool
	if o.Token != "" {
		if err := s.join(ctx); err != nil {
			return ended(ctx, err)
		}
	}
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, 2)
	for _, loop := range []func(context.Context) error{s.watch, s.deliver} {
		wg.Go(func() {
			if err := loop(run); err != nil {
				errs <- err
				cancel()
			}
		})
	}
	wg.Wait()
	close(errs)
	return ended(ctx, <-errs)
}

// ended is the error of a run: being told to end is none.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// take is the engine's sink: results go to the disk first.
func (s *outpost) take(_ context.Context, batch []monitor.Observation) error {
	ps := make([]Report, len(batch))
	for i, o := range batch {
		ps[i] = reportOf(o)
	}
	keep := func(i int) bool { return batch[i].Transition != monitor.None || batch[i].From != batch[i].Status.State }
	if err := s.spool.Add(ps, keep); err != nil {
		return err
	}
	select {
	case s.kick <- struct{}{}:
	default:
	}
	return nil
}

// join hands in the one-time token until the server has answered.
func (s *outpost) join(ctx context.Context) error {
	pub, _ := s.o.Key.Public().(ed25519.PublicKey)
	return s.insist(ctx, func(ctx context.Context) error {
		out, err := s.ask(ctx, actJoin, joining{Token: s.o.Token, Key: pub, Version: s.o.Version}, 30*time.Second)
		if no, ok := errors.AsType[refusedError](err); ok && no.why == refusedToken {
			// Who has joined already and still has the old token in its unit file
			// is no stranger.
			if _, err := s.ask(ctx, actWatch, s.watching(0), 30*time.Second); err == nil {
				return nil
			}
			return ErrBadToken
		}
		if err == nil {
			s.o.Log.InfoContext(ctx, "joined", "room", "sonde", "name", out.Name)
		}
		return err
	})
}

func (s *outpost) watching(wait time.Duration) watching {
	waiting, dropped := s.spool.Waiting()
	s.mu.Lock()
	defer s.mu.Unlock()
	return watching{
		Sent: s.o.Clock.Now().UnixMilli(), ETag: s.etag, Wait: int(wait / time.Second), Waiting: waiting, Dropped: dropped, Version: s.o.Version,
	}
}

// watch keeps the assignment up to date, and looks at once where somebody is in
// doubt.
func (s *outpost) watch(ctx context.Context) error {
	wait := time.Duration(0) // the first answer shall come at once
	for {
		err := s.insist(ctx, func(ctx context.Context) error {
			out, err := s.ask(ctx, actWatch, s.watching(wait), wait+20*time.Second)
			if err != nil {
				wait = 0
				return err
			}
			wait = maxWait - 5*time.Second
			if out.ETag != "" {
				s.assign(ctx, out)
			}
			for _, slug := range out.Look {
				s.engine.ProbeNow(slug)
			}
			if s.o.Ready != nil {
				s.ready.Do(func() { s.o.Ready(out.Name) })
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// assign makes the engine look at what the server says; only the difference is
// applied. What this version does not understand is not looked at: half a
// condition would be a wrong verdict.
func (s *outpost) assign(ctx context.Context, a answer) {
	items := s.items(ctx, a.Monitors)
	s.engine.Set(items)
	s.mu.Lock()
	s.etag = a.ETag
	s.mu.Unlock()
	s.o.Log.InfoContext(ctx, "assignment changed", "room", "sonde", "monitors", len(items))
	if err := s.remember(a); err != nil {
		s.o.Log.WarnContext(ctx, "assignment could not be kept for a restart without the server", "room", "sonde", "err", err)
	}
}

func (s *outpost) items(ctx context.Context, list []assigned) []monitor.Item {
	out := make([]monitor.Item, 0, len(list))
	for _, a := range list {
		var o order
		d := json.NewDecoder(bytes.NewReader(a.Spec))
		d.DisallowUnknownFields()
		err := d.Decode(&o)
		spec := o.Spec
		var problems []monitor.Problem
		if err == nil {
			spec, problems = spec.Normalize()
			spec.Within = o.Within
		}
		if err != nil || len(problems) > 0 || s.o.Probers[spec.Kind] == nil {
			s.o.Log.WarnContext(ctx, "this version cannot look at a monitor", "room", "sonde", "monitor", a.Slug, "err", err, "problems", fmt.Sprint(problems))
			continue
		}
		out = append(out, monitor.Item{ID: a.Slug, Spec: spec})
	}
	return out
}

// remembered is the last assignment, so that a sonde that starts while the
// server is away goes on looking. Credentials are not written to its disk.
type remembered struct {
	Monitors []assigned `json:"monitors"`
}

func (s *outpost) assignmentFile() string { return filepath.Join(s.o.Dir, "assignment.json") }

func (s *outpost) remember(a answer) error {
	var r remembered
	for _, m := range a.Monitors {
		var spec monitor.Spec
		if json.Unmarshal(m.Spec, &spec) == nil && !spec.Secrets() {
			r.Monitors = append(r.Monitors, m)
		}
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("sonde: %w", err)
	}
	return writeFile(s.assignmentFile(), raw)
}

func (s *outpost) restore() {
	raw, err := os.ReadFile(s.assignmentFile())
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.o.Log.Warn("the last assignment cannot be read", "room", "sonde", "err", err)
		}
		return
	}
	var r remembered
	if err := json.Unmarshal(raw, &r); err != nil {
		s.o.Log.Warn("the last assignment cannot be read", "room", "sonde", "err", err)
		return
	}
	// Without an etag: the server is asked for all of it anyway.
	s.engine.Set(s.items(context.Background(), r.Monitors))
}

// deliver empties the spool as often as something is in it.
func (s *outpost) deliver(ctx context.Context) error {
	for {
		ps, upTo, keep := s.spool.Next(maxReports)
		if len(ps) == 0 {
			select {
			case <-s.kick:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if !keep && len(ps) < maxReports && !s.gather(ctx) {
			return ctx.Err()
		}
		if !keep && len(ps) < maxReports { // a change may have come meanwhile
			ps, upTo, _ = s.spool.Next(maxReports)
		}
		if err := s.insist(ctx, func(ctx context.Context) error { return s.hand(ctx, ps, upTo) }); err != nil {
			return err
		}
	}
}

// gather waits for company, but not when a change arrives.
func (s *outpost) gather(ctx context.Context) bool {
	t := time.NewTimer(company)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			return true
		case <-ctx.Done():
			return false
		case <-s.kick:
			if _, _, keep := s.spool.Next(maxReports); keep {
				return true
			}
		}
	}
}

func (s *outpost) hand(ctx context.Context, ps []Report, upTo int64) error {
	waiting, dropped := s.spool.Waiting()
	_, err := s.ask(ctx, actReport, Delivery{
		Sent: s.o.Clock.Now().UnixMilli(), Waiting: max(0, waiting-int64(len(ps))), Dropped: dropped, Version: s.o.Version, Reports: ps,
	}, 30*time.Second)
	if no, ok := errors.AsType[refusedError](err); ok && no.why == refusedBody {
		// One bad result must not hold up all others for ever.
		if len(ps) > 1 {
			half := len(ps) / 2
			if err := s.hand(ctx, ps[:half], 0); err != nil {
				return err
			}
			return s.hand(ctx, ps[half:], upTo)
		}
		s.o.Log.ErrorContext(ctx, "the server does not understand a result, it is given up", "room", "sonde", "monitor", ps[0].Monitor)
		err = nil
	}
	if err != nil || upTo == 0 {
		return err
	}
	return s.spool.Done(upTo)
}

// insist asks until it is answered; only what will never change ends it.
func (s *outpost) insist(ctx context.Context, do func(ctx context.Context) error) error {
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		err := do(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if e := final(err); e != nil {
			return e
		}
		wait := pause
		if no, ok := errors.AsType[refusedError](err); ok && no.wait > 0 {
			wait = min(no.wait, 10*time.Minute)
		}
		s.o.Log.WarnContext(ctx, "the server did not take it, trying again", "room", "sonde", "in", wait, "err", err)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// final is the error that ends a sonde; nil: asking again may help.
func final(err error) error {
	if errors.Is(err, ErrBadToken) {
		return ErrBadToken
	}
	no, ok := errors.AsType[refusedError](err)
	switch {
	case ok && no.why == refusedRevoked:
		return ErrRevoked
	case ok && no.why == refusedUnknown:
		return ErrUnknown
	}
	return nil
}

// ask sends one signed request. A refused clock is put right by the server's
// own and asked again at once.
func (s *outpost) ask(ctx context.Context, a act, in any, timeout time.Duration) (answer, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return answer{}, fmt.Errorf("sonde: %s: %w", a, err)
	}
	out, err := s.send(ctx, a, body, timeout)
	if no, ok := errors.AsType[refusedError](err); ok && no.why == refusedClock && out.Time > 0 {
		s.mu.Lock()
		s.skew = time.UnixMilli(out.Time).Sub(s.o.Clock.Now())
		skew := s.skew
		s.mu.Unlock()
		s.o.Log.WarnContext(ctx, "this machine's clock is wrong; the server's is used", "room", "sonde", "by", skew.Round(time.Second))
		out, err = s.send(ctx, a, body, timeout)
	}
	return out, err
}

func (s *outpost) send(ctx context.Context, a act, body []byte, timeout time.Duration) (out answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(s.o.Server, "/")+a.path(), bytes.NewReader(body))
	if err != nil {
		return out, fmt.Errorf("sonde: %s: %w", a, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	s.mu.Lock()
	now := s.o.Clock.Now().Add(s.skew)
	s.mu.Unlock()
	sign(req.Header, s.o.Key, a, now, body)
	res, err := s.o.HTTP.Do(req)
	if err != nil {
		return out, fmt.Errorf("sonde: %s: %w", a, err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAssignment))
	if err != nil {
		return out, fmt.Errorf("sonde: %s: %w", a, err)
	}
	if json.Unmarshal(raw, &out) != nil || out.Time == 0 {
		// A proxy's error page, or another server: neither may end a sonde.
		return out, fmt.Errorf("sonde: %s: unexpected answer with status %d", a, res.StatusCode)
	}
	if out.Refused != "" {
		wait, _ := strconv.Atoi(res.Header.Get("Retry-After")) // nothing: our own pace
		return out, refusedError{out.Refused, time.Duration(max(wait, 0)) * time.Second}
	}
	if res.StatusCode != http.StatusOK {
		return out, fmt.Errorf("sonde: %s: status %d", a, res.StatusCode)
	}
	out.Look = slices.Compact(out.Look)
	return out, nil
}
