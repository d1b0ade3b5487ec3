package plan

import (
	"slices"

	"tuermer/internal/town/service"
)

// Concerned are the audiences, in their order, that must hear when the services
// named by slugs fail (R1.7): those that these services name, and those of every
// service that depends on them. A service that names none concerns staff, and
// citizens too when it is public. Without a service staff and leadership are
// concerned: whatever it is, they work with it.
func Concerned(catalogue []service.Service, slugs []string, all []Audience) []string {
	want := map[string]bool{}
	byKind := func(k Kind) {
		for _, a := range all {
			if a.Kind == k {
				want[a.Slug] = true
			}
		}
	}
	for _, s := range service.Affected(catalogue, slugs...) {
		for _, a := range s.Audiences {
			want[a] = true
		}
		if len(s.Audiences) == 0 {
			byKind(Staff)
			if s.Public {
				byKind(Citizens)
			}
		}
	}
	if len(slugs) == 0 {
		byKind(Staff)
		byKind(Leadership)
	}
	var out []string
	for _, a := range all {
		if want[a.Slug] {
			out = append(out, a.Slug)
		}
	}
	return out
}

// Speak are the languages in which these audiences are told: what their
// profiles name, each once; none when one of them leaves it open.
func Speak(audiences []Audience) []string {
	var out []string
	for _, a := range audiences {
		if len(a.Profile.Languages) == 0 {
			return nil
		}
		for _, l := range languages {
			if slices.Contains(a.Profile.Languages, l) && !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	return out
}
