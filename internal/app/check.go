package app

import (
	"context"
	"errors"
	"net"
	"time"

	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/keep"
)

// resolverAt asks one name server, or those of the machine where addr is empty.
// Inside a town those are the town's own, which may answer otherwise than the
// world's: whether an address is independent is seen best from outside.
func resolverAt(addr string) Lookup {
	if addr == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
}

// checkTime bounds one look of `tuermer check`.
const checkTime = 15 * time.Second

// Check looks at reachability and independence of addresses: each finding with
// its reason and a way out. The warnings of the file itself are the caller's, who has
// them even where the data cannot be opened.
func (Commands) Check(ctx context.Context, s Settings) (out []CheckResult, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		out = append(out, a.checkWays(ctx, s)...)
		out = append(out, a.checkProvider(ctx, s)...)
		out = append(out, a.checkDirectory(ctx, s)...)
		for _, look := range []func(context.Context, Settings) ([]CheckResult, error){a.checkPeople, a.checkPoints, a.checkChains, a.checkSondes, a.checkPapers, a.checkCertificate, a.checkPlace, a.checkBackup, a.checkReplica} {
			more, err := look(ctx, s)
			if err != nil {
				return err
			}
			out = append(out, more...)
		}
		return nil
	})
	return out, err
}

// checkWays asks every way out whether it would take something now.
func (a *App) checkWays(ctx context.Context, s Settings) (out []CheckResult) {
	for _, w := range a.ways.of(ctx) {
		p, ok := w.(channel.Prober)
		if !ok || w.Realm() != channel.Live {
			continue
		}
		c, cancel := context.WithTimeout(ctx, checkTime)
		err := p.Check(c)
		cancel()
		if err != nil {
			out = append(out, CheckResult{
				Serious: true,
				What:    a.catalog.Text(s.Lang, "app.check_way", w.Route(), a.catalog.Text(s.Lang, "channel.reason_"+channel.AsFailure(err).Reason)),
				WayOut:  a.catalog.Text(s.Lang, "app.check_way_out", err.Error()),
			})
		}
	}
	return out
}

// checkPeople looks at the alternative addresses of all who can be alarmed.
func (a *App) checkPeople(ctx context.Context, s Settings) (out []CheckResult, err error) {
	t, err := a.identity.Current(ctx)
	if err != nil {
		return nil, err
	}
	people, err := a.identity.People(ctx, identity.Filter{Active: true})
	if err != nil {
		return nil, err
	}
	c := identity.NewChecker(a.o.Lookup)
	for _, p := range people {
		alerting, err := a.identity.Alerting(ctx, p)
		if err != nil {
			return nil, err
		}
		if !alerting {
			continue
		}
		findings := identity.Independent(t, p)
		if len(findings) == 0 {
			findings = c.Check(ctx, t, p)
		}
		for _, f := range findings {
			out = append(out, CheckResult{
				Serious: f.Severity == identity.Wrong,
				What:    a.catalog.Text(s.Lang, f.Key(), f.Args()...),
				WayOut:  a.catalog.Text(s.Lang, "app.check_person_out"),
			})
		}
	}
	return out, nil
}

// checkBackup names an install that saves nothing by itself. An alarm gets out all
// the same, so it is red and fails no check.
func (a *App) checkBackup(_ context.Context, s Settings) ([]CheckResult, error) {
	b, _ := backupConfig(a.configs())
	if len(b.To) > 0 && b.At != "" {
		return a.checkLastBackup(s)
	}
	return []CheckResult{{Red: true, What: a.catalog.Text(s.Lang, "app.check_backup"), WayOut: a.catalog.Text(s.Lang, "app.check_backup_out")}}, nil
}

// checkLastBackup names a backup that failed, and a folder that has no room for the
// next one.
func (a *App) checkLastBackup(s Settings) ([]CheckResult, error) {
	setting, err := a.keepSetting(a.configs())
	if err != nil {
		return nil, err
	}
	say := func(key string, args ...any) []CheckResult {
		return []CheckResult{{Red: true, What: a.catalog.Text(s.Lang, key, args...), WayOut: a.catalog.Text(s.Lang, "app.check_backup_failed_out")}}
	}
	if errors.Is(writable(setting.Folder), errDiskFull) {
		return say("app.check_backup_full", setting.Folder), nil
	}
	last, err := keep.LastAttempt(setting.Folder)
	if err != nil || last.Error == "" {
		return nil, err
	}
	why := last.Error
	if last.Reason != "" {
		why = a.catalog.Text(s.Lang, "keep.fail_"+last.Reason)
	}
	return say("app.check_backup_failed", last.At.Format("2006-01-02 15:04 UTC"), why), nil
}
