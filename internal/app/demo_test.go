package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/identity"
)

func demoSettings(t *testing.T) Settings {
	t.Helper()
	return NewSettings(Settings{
		Data: t.TempDir(), Staff: DefaultStaff, Public: DefaultPublic, Lang: i18n.DE, Log: slog.New(slog.DiscardHandler),
		Stdout: io.Discard, Stderr: io.Discard,
	}, nil)
}

func newDemo(t *testing.T) *demo {
	t.Helper()
	town, err := readDemo(demoFiles)
	if err != nil {
		t.Fatal(err)
	}
	targets, err := openDemoTargets(t.Context(), town.slugs())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := targets.close(); err != nil {
			t.Error(err)
		}
	})
	return &demo{town: town, targets: targets}
}

// look opens the demo's data without starting anything.
func (d *demo) look(t *testing.T, s Settings) (context.Context, *App) {
	t.Helper()
	a, err := New(t.Context(), d.options(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, err := a.inTown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ctx, a
}

// The demo fills fresh data once; a second start adds nothing.
func TestDemo(t *testing.T) {
	d, s := newDemo(t), demoSettings(t)
	for range 2 {
		if err := d.settle(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	ctx, a := d.look(t, s)
	t.Run("town", func(t *testing.T) { demoTownStands(ctx, t, d, a) })
	t.Run("history", func(t *testing.T) { demoHistoryStands(ctx, t, a) })
}

// Musterstadt is what the issue promises, nothing in it is half filled in, and
// every service's citizens can be told with two clicks.
func demoTownStands(ctx context.Context, t *testing.T, d *demo, a *App) {
	for role, want := range map[identity.Role]int{identity.RoleIT: 5, identity.RoleReader: 301} {
		if n, err := a.identity.Count(ctx, identity.Filter{Role: role}); err != nil || n != want {
			t.Errorf("%s: %d, %v", role, n, err)
		}
	}
	services, err := a.service.List(ctx)
	if err != nil || len(services) != 40 {
		t.Fatalf("%d services, %v", len(services), err)
	}
	ada, err := a.as(ctx, d.town.email("ada.beispiel"))
	if err != nil {
		t.Fatal(err)
	}
	for _, sv := range services {
		if sv.Missing() || sv.Provider.Hotline == "" || sv.Workaround.Short == "" || len(sv.Audiences) == 0 {
			t.Errorf("%s is half filled in: %+v", sv.Slug, sv)
		}
		if n, err := a.monitor.Watchers(ctx, sv.Slug); err != nil || n != 1 {
			t.Errorf("%s is watched by %d, %v", sv.Slug, n, err)
		}
		p, err := a.publish.QuickHolding(ada, publish.HoldingRequest{Services: []string{sv.Slug}})
		if err != nil {
			t.Fatalf("%s: %v", sv.Slug, err)
		}
		if p.FourEyes && p.PreApprovedBy != "Petra Presse" {
			t.Errorf("%s: nobody has released its short message", sv.Slug)
		}
		for _, v := range p.Variants {
			if v.Language == template.DE && (v.Format == template.Page || v.Format == template.Mail) {
				t.Log(strings.SplitN(v.Body, "\n", 2)[0])
				break
			}
		}
	}
}

// The history was lived through the rooms: alarms, words approved by a second
// person, promises kept, everybody told, everything ended.
func demoHistoryStands(ctx context.Context, t *testing.T, a *App) {
	all, err := a.incident.List(ctx, incident.Filter{})
	if err != nil || len(all) != 2 {
		t.Fatalf("%d incidents, %v", len(all), err)
	}
	now := a.o.Clock.Now()
	for _, in := range all {
		if in.Phase != incident.Closed || in.ClosedAt.After(now.Add(-24*time.Hour)) || in.ClosedAt.Sub(in.OpenedAt) < time.Hour {
			t.Errorf("%s: %s, opened %s, closed %s", in.Title, in.Phase, in.OpenedAt, in.ClosedAt)
		}
		if err := a.incident.VerifyJournal(ctx, in.ID); err != nil {
			t.Error(err)
		}
		kept, missed, err := a.publish.Adherence(ctx, in.ID)
		if err != nil || kept == 0 || missed != 0 {
			t.Errorf("%s: %d promises kept, %d missed, %v", in.Title, kept, missed, err)
		}
		said, err := a.publish.List(ctx, publish.Filter{Incident: in.ID})
		if err != nil || len(said) < 3 || said[0].Kind != template.Closing {
			t.Fatalf("%s: %d statements, %v", in.Title, len(said), err)
		}
		for _, st := range said {
			c, err := a.publish.Counts(ctx, st.ID)
			if err != nil || c.Accepted == 0 || c.Waiting+c.Failed > 0 {
				t.Errorf("%s %s: %+v, %v", in.Title, st.Kind, c, err)
			}
			if st.Kind != template.Holding && st.Approval.Way != publish.WaySecond {
				t.Errorf("%s %s: %s", in.Title, st.Kind, st.Approval.Way)
			}
		}
	}
	if err := a.audit.Verify(ctx); err != nil {
		t.Error(err)
	}
}

// A target fails in each of its ways, and names outside the town go their own.
func TestDemoTargets(t *testing.T) {
	d := newDemo(t)
	client := &http.Client{Transport: &http.Transport{DialContext: d.targets.dial, DisableKeepAlives: true}}
	ask := func(timeout time.Duration) (int, error) {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://buergerportal"+demoDomain+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	for _, c := range []struct {
		how    breakage
		status int
		err    string
	}{
		{works, 200, ""}, {errors5, 503, ""}, {refuses, 0, "refused"}, {hangs, 0, "deadline"}, {works, 200, ""},
	} {
		if !d.targets.set("buergerportal", c.how) {
			t.Fatal("no such target")
		}
		timeout := 10 * time.Second
		if c.how == hangs {
			timeout = 50 * time.Millisecond
		}
		status, err := ask(timeout)
		if status != c.status || (c.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %d, %v", c.how, status, err)
		}
	}
	if d.targets.set("gibt-es-nicht", refuses) || len(d.targets.broken()) != 0 {
		t.Errorf("broken: %v", d.targets.broken())
	}
	if _, err := d.targets.dial(t.Context(), "tcp", "gibt-es-nicht"+demoDomain+":80"); err == nil {
		t.Error("a name that nobody has was answered")
	}
}
