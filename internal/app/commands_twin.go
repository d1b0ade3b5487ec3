package app

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tuermer/internal/inform/twin"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
)

// VerifyTwin checks a copy of a public page, at an address or in a folder,
// against its signed list; key is the town's as the console shows it, empty to
// take the one that the copy names. It needs no install. The report is for
// people; ok is false for a copy that is not whole, untouched and current.
func (Commands) VerifyTwin(ctx context.Context, s Settings, place, key string) (report string, ok bool, err error) {
	var want ed25519.PublicKey
	if key != "" {
		if want, err = twin.ParseKey(key); err != nil {
			return "", false, explained{err}
		}
	}
	catalog, err := i18n.NewCatalog(Texts()...)
	if err != nil {
		return "", false, err
	}
	client := &http.Client{Timeout: checkTime}
	defer client.CloseIdleConnections()
	rep, err := twin.Verify(ctx, fetchTwin(client, place), want, clock.System{}.Now())
	if err != nil {
		if fault.As(err).Key == "" {
			err = fault.New(fault.NotFound, "twin.no_copy").With(err)
		}
		return "", false, explained{err}
	}
	zone, zerr := clock.Zone("")
	if s.Config.Town.Timezone != "" {
		zone, zerr = clock.Zone(s.Config.Town.Timezone)
	}
	if zerr != nil {
		zone = time.UTC
	}
	l := i18n.Locale{Catalog: catalog, Lang: s.Lang, Zone: zone}
	var b strings.Builder
	say := func(key string, args ...any) { fmt.Fprintln(&b, catalog.Text(s.Lang, key, args...)) }
	say("app.twin_is", rep.Manifest.Town, l.Stand(rep.Manifest.AsOf), l.Stand(rep.Manifest.ValidUntil), len(rep.Manifest.Files))
	say("app.twin_key", twin.KeyID(rep.Key), base64.StdEncoding.EncodeToString(rep.Key))
	if want == nil {
		say("app.twin_compare")
	}
	for _, f := range rep.Missing {
		say("app.twin_missing", f)
	}
	for _, f := range rep.Changed {
		say("app.twin_changed", f)
	}
	switch {
	case rep.Expired && len(rep.Missing)+len(rep.Changed) == 0:
		say("app.twin_expired")
	case rep.OK():
		say("app.twin_ok")
	default:
		say("app.twin_broken")
	}
	return b.String(), rep.OK(), nil
}

// fetchTwin reads files below an address or a folder.
func fetchTwin(client *http.Client, place string) twin.Fetch {
	u, err := url.Parse(place)
	if err != nil || u.Host == "" {
		return func(_ context.Context, path string, limit int64) ([]byte, error) {
			return readBounded(filepath.Join(place, filepath.FromSlash(path)), limit)
		}
	}
	if !strings.HasSuffix(u.Path, "/") && strings.Contains(u.Path[strings.LastIndexByte(u.Path, '/')+1:], ".") {
		u.Path = u.Path[:strings.LastIndexByte(u.Path, '/')+1] // …/index.html
	}
	return func(ctx context.Context, path string, limit int64) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath(path).String(), nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Cache-Control", "no-cache")
		res, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return nil, errors.New(res.Status)
		}
		return io.ReadAll(io.LimitReader(res.Body, limit))
	}
}

// PushTwin carries the copy that lies in the data folder to the hosts of the
// configuration. It opens no database: it is for the day on which there is none.
func (Commands) PushTwin(ctx context.Context, s Settings) error {
	if len(s.Config.Twin.Targets) == 0 {
		return explained{twin.ErrNoTargets}
	}
	id, err := keptTwin(s.Data, s.Config.Town.Name)
	if err != nil {
		return explained{err}
	}
	catalog, err := i18n.NewCatalog(Texts()...)
	if err != nil {
		return err
	}
	failed := twin.PushKept(ctx, s.Data, id, s.Config.Twin.settings().Targets, (&net.Dialer{}).DialContext, func(t twin.Target, sent int, err error) {
		if err == nil {
			fmt.Fprintln(s.Stdout, catalog.Text(s.Lang, "app.twin_pushed", t.Name, sent))
			return
		}
		reason := "write"
		if f, ok := errors.AsType[*twin.Failure](err); ok {
			reason = f.Reason
		}
		fmt.Fprintln(s.Stdout, catalog.Text(s.Lang, "app.twin_not_pushed", t.Name, catalog.Text(s.Lang, "depot.fail_"+reason)))
	})
	if failed != nil {
		return explained{fault.New(fault.Unavailable, "app.twin_push_failed").With(failed)}
	}
	return nil
}

// keptTwin finds the town's copy in the data folder by its name, or the only one.
func keptTwin(data, name string) (ident.Tenant, error) {
	none := fault.New(fault.NotFound, "app.twin_none_kept", data)
	dirs, err := os.ReadDir(filepath.Join(data, "twin"))
	if err != nil {
		return "", none.With(err)
	}
	for _, d := range dirs {
		raw, err := readBounded(filepath.Join(data, "twin", d.Name(), "site", twin.ManifestName), maxConfig)
		if err != nil {
			continue
		}
		if id, err := url.QueryUnescape(d.Name()); err == nil && (len(dirs) == 1 || strings.Contains(string(raw), fmt.Sprintf("%q", name))) {
			return ident.Tenant(id), nil
		}
	}
	return "", none
}
