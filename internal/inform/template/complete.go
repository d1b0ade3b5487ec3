package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Gaps names every place of the printed grid for which the library has no text,
// as "P1 citizens page de". Nothing is missing when it answers nothing.
func (l *Library) Gaps() []string {
	missing := map[string]bool{}
	need := func(k Kind, a AudienceKind, f Format, lang Language, sc Scenario) {
		e, ok := l.Find(k, a, f, lang, sc)
		if !ok || e.Language != lang || e.Scenario != sc || e.Format != f {
			missing[strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", k.Phase(), a, f, lang, sc))] = true
		}
	}
	for _, row := range grid {
		scenarios := []Scenario{""}
		if row.family != "" {
			scenarios = nil
			for _, s := range l.scenarios {
				if s.Family == row.family {
					scenarios = append(scenarios, s.Scenario)
				}
			}
			if len(scenarios) != row.scenarios {
				missing[fmt.Sprintf("family %s: %d scenarios of %d", row.family, len(scenarios), row.scenarios)] = true
			}
		}
		for _, sc := range scenarios {
			for _, k := range row.kinds {
				for _, a := range row.audiences {
					for _, lang := range Languages() {
						if lang == LS && a != Citizens {
							continue
						}
						need(k, a, Page, lang, sc)
						need(k, a, Mail, lang, sc)
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(missing))
}

// grid is the printed grid: which phases are written for whom, for every outage
// and for each scenario of a family.
var grid = []struct {
	family    string
	scenarios int
	kinds     []Kind
	audiences []AudienceKind
}{
	{"", 0, []Kind{Holding, First, Update, NoChange, ETAChange, WorkaroundChange, Recovery, Closing}, Audiences()},
	{"", 0, []Kind{Survey}, []AudienceKind{Staff, Partners, Citizens}},
	{"", 0, []Kind{Report}, []AudienceKind{Leadership, Council, Press, Citizens}},
	{"", 0, []Kind{Correction, Warning}, []AudienceKind{Staff, Partners, Press, Citizens}},
	{"", 0, []Kind{DataSubjects}, []AudienceKind{Staff, Leadership, Citizens}},
	{"", 0, []Kind{BreachReport}, []AudienceKind{Staff, Leadership, Authority}},
	{"", 0, []Kind{StormStatement, NetiquetteHint, PostHidden}, []AudienceKind{Press, Citizens}},
	{"", 0, []Kind{OutOfHours, Received, Answer}, []AudienceKind{Citizens}},
	{"", 0, []Kind{ExerciseAnnounced, ExerciseEnded, MaintenanceAnnounced, MaintenanceStarted, MaintenanceEnded}, []AudienceKind{IT, Staff, Partners, Citizens}},
	{"L", 6, []Kind{First, Update, Recovery, AllClear}, []AudienceKind{Staff, Leadership, Press, Citizens}},
	{"C", 9, []Kind{Holding, First, Update, Recovery}, []AudienceKind{IT, Staff, Leadership, Council, Partners, Press, Citizens, Authority}},
}
