package service_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tuermer/internal/town/service"
)

func TestAffected(t *testing.T) {
	all := []service.Service{
		{Slug: "netz"},
		{Slug: "server", DependsOn: []string{"netz"}},
		{Slug: "portal", DependsOn: []string{"server"}},
		{Slug: "telefon"},
		{Slug: "fax", DependsOn: []string{"telefon", "netz"}},
	}
	slugs := func(in []service.Service) (out []string) {
		for _, s := range in {
			out = append(out, s.Slug)
		}
		return out
	}
	if got := slugs(service.Affected(all, "netz")); !slices.Equal(got, []string{"netz", "server", "portal", "fax"}) {
		t.Error(got)
	}
	if got := slugs(service.Affected(all, "portal", "gibt-es-nicht")); !slices.Equal(got, []string{"portal"}) {
		t.Error(got)
	}
}

// Whoever depends on an affected service is affected, circles included, and
// nobody else is.
func TestAffectedIsClosed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := []string{"a", "b", "c", "d", "e", "f"}
		var all []service.Service
		for _, n := range names {
			all = append(all, service.Service{Slug: n, DependsOn: rapid.SliceOfN(rapid.SampledFrom(names), 0, 3).Draw(rt, n)})
		}
		start := rapid.SampledFrom(names).Draw(rt, "start")
		hit := map[string]bool{}
		for _, s := range service.Affected(all, start) {
			hit[s.Slug] = true
		}
		for _, s := range all {
			needs := slices.ContainsFunc(s.DependsOn, func(d string) bool { return hit[d] })
			if hit[s.Slug] != (s.Slug == start || needs) {
				rt.Fatalf("%s: affected is %v, needs an affected one: %v", s.Slug, hit[s.Slug], needs)
			}
		}
	})
}
