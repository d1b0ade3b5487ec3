package service_test

import (
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

func TestCatalogue(t *testing.T) {
	storetest.Each(t, []store.Migrations{audit.Migrations(), service.Migrations()}, func(t *testing.T, w *storetest.World) {
		r := service.New(service.Options{Store: w.Store, Clock: clock.System{}, Audit: audit.New(audit.Options{Store: w.Store, Clock: clock.System{}})})
		names := func(ctx context.Context) (out []string) {
			all, err := r.List(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range all {
				out = append(out, s.Slug)
			}
			return out
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(r.Declare(w.Ctx, []service.Service{{Slug: "portal", Name: "Bürgerportal"}, {Slug: "kfz", Name: "Kfz-Zulassung"}}))
		must(r.Save(w.Ctx, service.Service{Slug: "own", Name: "Eigener", Position: 9, DependsOn: []string{"portal"}}))
		if got := names(w.Ctx); !slices.Equal(got, []string{"portal", "kfz", "own"}) {
			t.Fatal(got)
		}
		if err := r.Save(w.Ctx, service.Service{Slug: "portal", Name: "X"}); fault.KindOf(err) != fault.Conflict {
			t.Fatalf("a declared service was changed: %v", err)
		}
		// What the file no longer names goes; what the console made stays.
		must(r.Declare(w.Ctx, []service.Service{{Slug: "kfz", Name: "Zulassung"}}))
		if got := names(w.Ctx); !slices.Equal(got, []string{"kfz", "own"}) {
			t.Fatal(got)
		}
		if s, err := r.Get(w.Ctx, "kfz"); err != nil || s.Name != "Zulassung" || !s.Declared {
			t.Fatal(s, err)
		}
		reader := ident.WithActor(w.Ctx, ident.Actor{Kind: ident.KindPerson, Roles: []string{"reader"}})
		if err := r.Save(reader, service.Service{Slug: "x", Name: "X"}); fault.KindOf(err) != fault.Forbidden {
			t.Fatalf("a reader may change services: %v", err)
		}
		other := ident.WithTenant(w.Ctx, "t2") // I19
		if got := names(other); len(got) != 0 {
			t.Fatal(got)
		}
		if _, err := r.Get(other, "kfz"); fault.KindOf(err) != fault.NotFound {
			t.Fatal(err)
		}
		must(r.Remove(w.Ctx, "own"))
		if _, err := r.Get(w.Ctx, "own"); fault.KindOf(err) != fault.NotFound {
			t.Fatal(err)
		}
	})
}

func TestCheck(t *testing.T) {
	others := []service.Service{{Slug: "a", DependsOn: []string{"b"}}, {Slug: "b", DependsOn: []string{"c"}}}
	cases := map[string]struct {
		s     service.Service
		field string
	}{
		"good":               {service.Service{Slug: "c", Name: "C", Article: "das"}, ""},
		"loop":               {service.Service{Slug: "c", Name: "C", DependsOn: []string{"a"}}, "depends_on"},
		"itself":             {service.Service{Slug: "c", Name: "C", DependsOn: []string{"c"}}, "depends_on"},
		"unknown dependency": {service.Service{Slug: "c", Name: "C", DependsOn: []string{"z"}}, "depends_on"},
		"slug":               {service.Service{Slug: "Ä", Name: "C"}, "slug"},
		"no name":            {service.Service{Slug: "c"}, "name"},
		"short":              {service.Service{Slug: "c", Name: "C", Short: "dieser Name ist viel zu lang"}, "short"},
		"article":            {service.Service{Slug: "c", Name: "C", Article: "dem"}, "article"},
	}
	for name, c := range cases {
		err := c.s.Check(others)
		if c.field == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if fault.As(err).Fields[c.field] == "" {
			t.Errorf("%s: %v does not blame %s", name, fault.As(err).Fields, c.field)
		}
	}
}

// The short name always fits a text message.
func TestShortName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := service.Service{Name: rapid.String().Draw(t, "name")}
		if got := s.ShortName(); len([]rune(got)) > service.MaxShort {
			t.Fatalf("%q", got)
		}
	})
}
