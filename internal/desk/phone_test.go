package desk

import (
	"slices"
	"testing"

	"tuermer/internal/platform/web"
	"tuermer/internal/town/service"
)

// Partners learn what of theirs fails with a broken service, through others too,
// and nothing of a service that they do not see or of which nothing may be told.
func TestWhatElseFailsForPartners(t *testing.T) {
	net := service.Service{Slug: "netz", Name: "Verwaltungsnetz"}
	inner := service.Service{Slug: "bus", Name: "Datenbus", DependsOn: []string{"netz"}}
	register := service.Service{Slug: "melde", Name: "Melderegister", DependsOn: []string{"bus"}}
	hidden := service.Service{Slug: "geheim", Name: "Geheim", DependsOn: []string{"netz"}}
	catalogue := []service.Service{net, inner, register, hidden}
	for state, want := range map[web.State][]string{
		web.Down: {"Melderegister"}, web.Degraded: {"Melderegister"}, web.OK: nil, web.Unknown: nil,
	} {
		got := alsoHit(catalogue, []partner{{Service: net, State: state}, {Service: register, State: web.OK}, {Service: hidden, State: web.Unknown}})
		if !slices.Equal(got[0].Also, want) || len(got[1].Also)+len(got[2].Also) > 0 {
			t.Errorf("%s: %+v", state, got)
		}
	}
}
