package identity_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/identity"
)

// zone is a DNS that knows only what it is told.
type zone struct {
	mx, ns, host map[string][]string
	asked        int
	down         bool
	slow         bool
}

func (z *zone) look(ctx context.Context, m map[string][]string, name string) ([]string, error) {
	z.asked++
	if z.slow {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if z.down {
		return nil, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
	}
	if got := m[name]; len(got) > 0 {
		return got, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (z *zone) LookupMX(ctx context.Context, name string) (out []*net.MX, err error) {
	names, err := z.look(ctx, z.mx, name)
	for _, n := range names {
		out = append(out, &net.MX{Host: n + "."})
	}
	return out, err
}

func (z *zone) LookupNS(ctx context.Context, name string) (out []*net.NS, err error) {
	names, err := z.look(ctx, z.ns, name)
	for _, n := range names {
		out = append(out, &net.NS{Host: n + "."})
	}
	return out, err
}

func (z *zone) LookupHost(ctx context.Context, name string) ([]string, error) {
	return z.look(ctx, z.host, name)
}

func TestIndependence(t *testing.T) {
	z := &zone{
		mx: map[string][]string{
			"stadt.example":       {"mx1.rechenzentrum.example"},
			"verein.example":      {"mx2.rechenzentrum.example"},
			"posteo.example":      {"mx.posteo.example"},
			"selbst.example":      {"mx.selbst.example"},
			"nachbar.example":     {"mx.nachbar.example"},
			"namensserver.net":    {"mx.namensserver.net"},
			"kein-mail.example":   {""},
			"mail.kreis.de":       {"mx.frei.example"},
			"stadt.kreis.de":      {"mx.stadt.kreis.de"},
			"vollqualifiziert.de": {"mx.vollqualifiziert.de"},
		},
		ns: map[string][]string{
			"stadt.example": {"ns1.rechenzentrum.example"}, "namensserver.net": {"ns9.rechenzentrum.example"},
			"posteo.example": {"ns.posteo.example"},
		},
		host: map[string][]string{
			"mx1.rechenzentrum.example": {"198.51.100.1"}, "mx.posteo.example": {"203.0.113.1", "2001:db8::1"},
			"mx.selbst.example": {"192.0.2.25"}, "mx.nachbar.example": {"198.51.100.1"},
		},
	}
	town := identity.Tenant{Domains: []string{"stadt.example", "stadt.kreis.de"}, Networks: []string{"192.0.2.0/24"}}
	for alternative, want := range map[string][]identity.Cause{
		"ada@posteo.example":      nil,
		"ada@stadt.example":       {identity.CauseSameDomain},
		"ada@www.stadt.example":   {identity.CauseSameDomain},
		"ada@notstadt.example":    nil,
		"ada@verein.example":      {identity.CauseSharedMX},
		"ada@selbst.example":      {identity.CauseSharedHost},
		"ada@nachbar.example":     {identity.CauseSharedHost},
		"ada@namensserver.net":    {identity.CauseSharedZone},
		"ada@mail.kreis.de":       {identity.CauseSharedZone},
		"ada@kein-mail.example":   nil,
		"ada@vollqualifiziert.de": nil,
	} {
		c := identity.NewChecker(z)
		var got []identity.Cause
		for _, f := range c.Check(context.Background(), town, identity.Person{Email: "ada@stadt.example", Alternative: alternative}) {
			got = append(got, f.Cause)
			if (f.Cause == identity.CauseSameDomain) != (f.Severity == identity.Wrong) || f.With == "" {
				t.Errorf("%s: %+v", alternative, f)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", alternative, got, want)
		}
	}
	z.down = true
	got := identity.NewChecker(z).Check(context.Background(), town, identity.Person{Email: "a@stadt.example", Alternative: "a@posteo.example"})
	if len(got) != 1 || got[0].Cause != identity.CauseNoAnswer || got[0].Severity != identity.Unsure {
		t.Errorf("DNS is down: %+v", got)
	}
	// Two people at one provider are fine: only sharing with the town counts,
	// and DNS is asked once for both.
	z.down, z.asked = false, 0
	people := []identity.Person{
		{Name: "A", Email: "a@stadt.example", Alternative: "a@posteo.example", Roles: []identity.Role{identity.RoleIT}},
		{Name: "B", Email: "b@stadt.example", Alternative: "b@posteo.example", Roles: []identity.Role{identity.RoleIT}},
		{Name: "C", Email: "c@stadt.example"},
		{Name: "D", Email: "d@stadt.example"},
	}
	all := identity.CheckPeople(context.Background(), z, town, people, []string{"d@stadt.example"})
	if len(all) != 1 || all[0].Person != "D" || all[0].Cause != identity.CauseMissing {
		t.Errorf("%+v", all)
	}
	asked := z.asked
	identity.CheckPeople(context.Background(), z, town, people[:1], nil)
	if z.asked != 2*asked {
		t.Errorf("asked %d times for two people, %d for one", asked, z.asked-asked)
	}
}

// A DNS that never answers costs seconds, not for ever.
func TestIndependenceSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		got := identity.NewChecker(&zone{slow: true}).Check(t.Context(), identity.Tenant{Domains: []string{"stadt.example"}},
			identity.Person{Email: "a@stadt.example", Alternative: "a@posteo.example"})
		if len(got) != 1 || got[0].Cause != identity.CauseNoAnswer {
			t.Errorf("%+v", got)
		}
		if d := time.Since(began); d > 30*time.Second {
			t.Errorf("took %s", d)
		}
	})
}

func TestIndependenceIsKept(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		z := &zone{mx: map[string][]string{"t1.example": {"mx.rz.example"}, "posteo.example": {"mx.rz.example"}}}
		h := newHouse(t, w, func(o *identity.Options) { o.Resolver = z })
		ada := h.add(t, person("Ada", identity.RoleIT))
		bert := h.add(t, identity.Person{Name: "Bert", Email: "b@t1.example"})
		sweep := func() identity.Person {
			t.Helper()
			if err := h.Sweep(h.ctx); err != nil {
				t.Fatal(err)
			}
			p, err := h.Person(h.ctx, ada.ID)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		p := sweep()
		if len(p.Findings) != 1 || p.Findings[0].Cause != identity.CauseSharedMX || !p.CheckedAt.Equal(h.Now()) {
			t.Fatalf("%+v", p)
		}
		if found, err := h.Findings(h.ctx); err != nil || len(found) != 2 || found[0].Person != "Ada Beispiel" {
			t.Errorf("%+v, %v", found, err)
		}
		asked := z.asked
		sweep()
		if z.asked != asked {
			t.Error("asked again at once")
		}
		h.now = h.now.Add(24 * time.Hour)
		if sweep(); z.asked == asked {
			t.Error("not asked again the next day")
		}
		// The town changes its domains: look again at once.
		asked = z.asked
		tn := town("t1")
		tn.Domains = []string{"t1.example", "neu.example"}
		if err := h.SaveTenant(h.ctx, tn); err != nil {
			t.Fatal(err)
		}
		if sweep(); z.asked == asked {
			t.Error("not asked again after the town changed")
		}
		ada.Alternative = "ada@frei.example"
		if p, err := h.SavePerson(h.ctx, ada); err != nil || len(p.Findings) != 0 || !p.CheckedAt.IsZero() {
			t.Errorf("%+v, %v", p, err)
		}
		if p, err := h.Person(h.ctx, bert.ID); err != nil || !p.CheckedAt.IsZero() {
			t.Errorf("%+v, %v", p, err)
		}
		if err := errors.Join(h.Start(h.ctx), h.Start(h.ctx)); err != nil {
			t.Fatal(err)
		}
		h.Stop()
		h.Stop()
	})
}
