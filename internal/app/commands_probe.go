package app

import (
	"context"
	"os"
	"slices"
	"time"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/identity"
)

// ImportFormats lists the programs whose monitors can be taken over.
func ImportFormats() []string { return []string{string(monitor.Kuma), string(monitor.Gatus)} }

// Import takes the monitors of another program over, or with dry only says
// what would become of them. The report holds no secret.
func (Commands) Import(ctx context.Context, s Settings, format, file string, dry bool) (report string, err error) {
	raw, err := readBounded(file, monitor.MaxImport+1)
	if err != nil {
		if os.IsNotExist(err) {
			return "", fault.New(fault.NotFound, "app.no_import_file").With(err)
		}
		return "", err
	}
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		h, err := a.monitor.Import(ctx, monitor.ImportFormat(format), raw, !dry)
		if err != nil {
			return err
		}
		report = h.Report(i18n.Locale{Catalog: a.catalog, Lang: s.Lang, Zone: time.UTC, Now: a.o.Clock.Now()})
		return nil
	})
	return report, err
}

// TownNetworks answers where the checks that a town's people enter may go, and
// sets it when networks are given. town is a slug; empty: the configuration's,
// or the only one.
func (Commands) TownNetworks(ctx context.Context, s Settings, town string, networks []string, reset bool) (now []string, err error) {
	err = once(ctx, s, func(ctx context.Context, a *App) error {
		if town != "" {
			all, err := a.identity.Tenants(ident.AcrossTenants(ctx))
			if err != nil {
				return err
			}
			i := slices.IndexFunc(all, func(t identity.Tenant) bool { return t.Slug == town })
			if i < 0 {
				return fault.New(fault.NotFound, "app.no_town")
			}
			ctx = ident.WithTenant(ctx, all[i].ID)
		}
		t, err := a.identity.Current(ctx)
		if err != nil {
			return err
		}
		if len(networks) > 0 || reset {
			t.ProbeNetworks = append([]string{}, networks...) // not nil: that would keep the list
			if err := a.identity.SaveTenant(ctx, t); err != nil {
				return err
			}
			if t, err = a.identity.Current(ctx); err != nil {
				return err
			}
		}
		r, err := a.reach(ctx, t.ID)
		if err != nil {
			return err
		}
		now = r.Words()
		return nil
	})
	return now, err
}
