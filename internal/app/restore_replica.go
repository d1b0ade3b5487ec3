package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/depot"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/replica"
	"tuermer/internal/platform/store"
)

// fromReplica is the running copy of an install on a place outside.
type fromReplica struct {
	o     Options
	s     Settings
	name  string
	place depot.Place
	dial  depot.Dial
	line  replica.Line
	keys  []age.Identity
}

// openReplica finds the newest copy on a place: one of the configuration, by its
// name, or a folder.
func openReplica(ctx context.Context, s Settings, o Options, w RestoreWish, keys []age.Identity) (origin, error) {
	if o.Database != "" {
		return nil, fault.New(fault.Invalid, "app.restore_replica_postgres")
	}
	r := fromReplica{o: o, s: s, name: w.Replica, keys: keys, dial: o.Dial}
	if r.dial == nil {
		r.dial = (&net.Dialer{}).DialContext
	}
	var all []*Config
	if s.Config != nil {
		all = append([]*Config{s.Config}, s.More...)
	}
	places := replicaSettings(all).Places
	i := slices.IndexFunc(places, func(p replica.Place) bool { return p.Name == w.Replica })
	switch {
	case i >= 0:
		r.place = places[i].Place
	case filepath.IsAbs(w.Replica):
		r.place = depot.Place{Kind: depot.Directory, Address: w.Replica}
	default:
		var names []string
		for _, p := range places {
			names = append(names, p.Name)
		}
		return nil, fault.New(fault.NotFound, "app.restore_no_place", w.Replica, strings.Join(names, ", "))
	}
	lines, err := replica.Find(ctx, r.place, r.dial)
	if err != nil {
		return nil, r.words(err)
	}
	if len(lines) == 0 {
		return nil, fault.New(fault.NotFound, "app.restore_no_copy", w.Replica)
	}
	r.line = lines[len(lines)-1]
	return r, nil
}

// words gives the reasons of a place their sentences.
func (r fromReplica) words(err error) error {
	if f, ok := errors.AsType[*depot.Failure](err); ok {
		return fault.New(fault.Unavailable, "app.restore_place", r.name, appText(r.s.Lang, "depot.fail_"+f.Reason)).With(err)
	}
	return restoreWords(err, r.name)
}

func (r fromReplica) fill(ctx context.Context, dir, _ string) (out filled, err error) {
	steady := clock.NewSteady()
	last := steady.Now()
	got, err := replica.Fetch(ctx, r.place, r.dial, r.line, r.keys, filepath.Join(dir, store.File), func(done, all int) {
		if now := steady.Now(); now.Sub(last) >= 3*time.Second {
			last = now
			fmt.Fprintln(r.s.Stderr, appText(r.s.Lang, "app.restore_fetched", done, all))
		}
	})
	if err != nil {
		return out, r.words(err)
	}
	for _, f := range got.Files {
		if err := layDown(dir, f); err != nil {
			return out, err
		}
	}
	out.head = backup.Head{Made: got.Through, Version: got.Version}
	out.app, err = New(ctx, Options{Config: &Config{}, Dir: dir, Version: r.o.Version, Log: slog.New(slog.DiscardHandler), Clock: r.o.Clock})
	return out, err
}

func (r fromReplica) done(say func(key string, args ...any), f filled) {
	say("app.restore_replica_done", r.name, f.head.Made.Format("2006-01-02 15:04:05"), f.head.Version)
}

func (fromReplica) Close() error { return nil }
