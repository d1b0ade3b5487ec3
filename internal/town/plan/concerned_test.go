package plan_test

import (
	"slices"
	"testing"

	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

func TestConcerned(t *testing.T) {
	all := []plan.Audience{
		{Slug: "citizens", Kind: plan.Citizens}, {Slug: "kreis", Kind: plan.Partners}, {Slug: "leitung", Kind: plan.Leadership}, {Slug: "rat", Kind: plan.Council}, {Slug: "staff", Kind: plan.Staff},
	}
	catalogue := []service.Service{
		{Slug: "netz", Audiences: []string{"staff"}},
		{Slug: "portal", Public: true, DependsOn: []string{"netz"}},
		{Slug: "schnittstelle", Audiences: []string{"kreis", "weg"}, DependsOn: []string{"netz"}},
		{Slug: "ratsinfo", Audiences: []string{"rat"}},
	}
	for _, c := range []struct{ slugs, want []string }{
		{[]string{"netz"}, []string{"citizens", "kreis", "staff"}}, // through depends_on
		{[]string{"portal"}, []string{"citizens", "staff"}},
		{[]string{"ratsinfo"}, []string{"rat"}},
		{nil, []string{"leitung", "staff"}},
		{[]string{"gibt-es-nicht"}, nil},
	} {
		if got := plan.Concerned(catalogue, c.slugs, all); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.slugs, got, c.want)
		}
	}
	de := plan.Audience{Profile: plan.Profile{Languages: []string{"de"}}}
	both := plan.Audience{Profile: plan.Profile{Languages: []string{"de-LS", "de"}}}
	if got := plan.Speak([]plan.Audience{de, both}); !slices.Equal(got, []string{"de", "de-LS"}) {
		t.Error(got)
	}
	if got := plan.Speak([]plan.Audience{de, {}}); got != nil {
		t.Error("an audience that leaves its languages open gets all:", got)
	}
}
