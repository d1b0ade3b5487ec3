package app

import (
	"context"
	"path/filepath"
	"time"

	"filippo.io/age"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/replica"
	"tuermer/internal/platform/store"
)

// replicaFolder is where the running copy waits on its way out of the house.
const replicaFolder = "replica"

// replicaSettings are what the configurations say of the running copy.
func replicaSettings(all []*Config) replica.Settings {
	b, _ := backupConfig(all)
	s := replica.Settings{Every: b.Replica.Every, AlarmAfter: b.Replica.AlarmAfter}
	for _, t := range b.Replica.Targets {
		s.Places = append(s.Places, replica.Place{Name: t.Name, Place: t.place()})
	}
	return s
}

// replicates reports whether this process carries the database away.
func (a *App) replicates() bool {
	return a.o.Serve && a.o.Database == "" && len(replicaSettings(a.configs()).Places) > 0
}

// startReplica begins to carry the database away. What fails here is told, and
// holds up nothing: alarms need no copy.
func (a *App) startReplica(ctx context.Context) (tell func(context.Context), err error) {
	if !a.replicates() {
		if a.o.Serve && len(replicaSettings(a.configs()).Places) > 0 {
			return nil, fault.New(fault.Invalid, "app.replica_postgres")
		}
		return nil, nil
	}
	a.replica = replica.New(replica.Options{
		Database: filepath.Join(a.o.Dir, store.File), Folder: filepath.Join(a.o.Dir, replicaFolder), Version: a.o.Version,
		Clock: a.o.Clock, Log: a.o.Log, Dial: a.o.Dial,
		Settings: func() replica.Settings { return replicaSettings(a.configs()) },
		Keys:     a.replicaKeys, Files: a.savedFiles, Tell: a.tellReplica,
	})
	if err := a.replica.Start(ctx); err != nil {
		a.log.ErrorContext(ctx, "the database is not being copied", "err", err)
		f := a.replica.Broken(ctx, err)
		return func(ctx context.Context) {
			if err := a.tellReplica(ctx, f); err != nil {
				a.log.ErrorContext(ctx, "nobody could be told that the database is not being copied", "err", err)
			}
		}, a.store.FoldLog(ctx)
	}
	return nil, nil
}

// copies tells how the running copies stand.
func (a *App) copies() []replica.PlaceStatus {
	if a.replica == nil {
		return nil
	}
	return a.replica.Status()
}

// replicaKeys are those of every backup: the operator's, and the install's own.
func (a *App) replicaKeys() (to []age.Recipient, own []age.Identity, err error) {
	b, _ := backupConfig(a.configs())
	if to, err = recipients(b.To); err != nil {
		return nil, nil, err
	}
	mine, err := a.keep.OwnKey()
	if err != nil {
		return nil, nil, err
	}
	return append(to, mine.Recipient()), []age.Identity{mine}, nil
}

// tellReplica raises the alarm about a copy that lags behind, and ends it.
func (a *App) tellReplica(ctx context.Context, f replica.Finding) error {
	return a.tellTowns(ident.WithActor(ctx, ident.System), "keep:replica", f.Bad, func(ctx context.Context, s *signal.Signal) {
		l := a.townLocale(ctx)
		if !f.Bad {
			s.Title = l.Catalog.Text(l.Lang, "keep.copy_is_well")
			return
		}
		through := l.Catalog.Text(l.Lang, "keep.copy_never")
		if !f.Place.Through.IsZero() {
			through = f.Place.Through.In(l.Zone).Format("2006-01-02 15:04")
		}
		s.Title = l.Catalog.Text(l.Lang, "keep.copy_bad", f.Place.Name)
		s.Detail = l.Catalog.Text(l.Lang, "keep.copy_bad_detail", through) + " " + f.Place.Err
	})
}

// checkReplica names copies that lag too far behind, as the running program last
// wrote it down.
func (a *App) checkReplica(_ context.Context, s Settings) (out []CheckResult, err error) {
	set := replicaSettings(a.configs())
	for _, p := range replica.ReadStatus(filepath.Join(a.o.Dir, replicaFolder), set, a.o.Clock.Now()) {
		if !p.Late {
			continue
		}
		through := a.catalog.Text(s.Lang, "keep.copy_never")
		if !p.Through.IsZero() {
			through = p.Through.Format("2006-01-02 15:04 UTC") + " (" + p.Lag.Round(time.Minute).String() + ")"
		}
		why := p.Err
		switch p.Reason {
		case "":
		case replica.OwnDisk:
			why = a.catalog.Text(s.Lang, "keep.copy_own") + " " + why
		default:
			why = a.catalog.Text(s.Lang, "depot.fail_"+p.Reason) + " " + why
		}
		out = append(out, CheckResult{
			Red: true, What: a.catalog.Text(s.Lang, "app.check_replica", p.Name, through, why), WayOut: a.catalog.Text(s.Lang, "app.check_replica_out"),
		})
	}
	return out, nil
}
