package statuspage

import (
	"context"
	"slices"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/platform/i18n"
)

// Committed is the optional ability of [Incidents] to tell what was promised.
type Committed interface {
	Commitments(ctx context.Context, f incident.CommitmentFilter) ([]incident.Commitment, error)
}

// promised is one commitment as everybody may read it: no names.
type promised struct {
	Text    string
	TextEN  string `json:",omitempty"`
	Due     time.Time
	State   incident.CommitmentState
	Moved   int       `json:",omitempty"`
	Note    string    `json:",omitempty"`
	Settled time.Time `json:",omitzero"`
}

// commitments are the public ones by incident, the next one due first.
func (r *Room) commitments(ctx context.Context) (map[incident.ID][]promised, error) {
	keeper, ok := r.o.Incidents.(Committed)
	if !ok {
		return nil, nil
	}
	out := map[incident.ID][]promised{}
	f := incident.CommitmentFilter{Public: true, Limit: 1000}
	for {
		list, err := keeper.Commitments(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			if !c.Public {
				continue
			}
			out[c.Incident] = append(out[c.Incident], promised{
				Text: c.Text, TextEN: c.TextEN, Due: c.Due, State: c.State, Moved: c.Moved, Note: c.Note, Settled: c.SettledAt,
			})
		}
		if len(list) < f.Limit {
			break
		}
		f.After = list[len(list)-1].ID
	}
	for _, list := range out {
		slices.SortStableFunc(list, func(a, b promised) int { return a.Due.Compare(b.Due) })
	}
	return out, nil
}

// estimates are those told in messages that the public can read.
func estimates(published []publish.Statement, messages []message) []publish.ETA {
	mine := slices.DeleteFunc(slices.Clone(published), func(s publish.Statement) bool {
		return !slices.ContainsFunc(messages, func(m message) bool { return m.ID == s.ID })
	})
	return publish.ETAHistory(mine)
}

// overdue reports whether the day has passed and nobody has said how it ended.
func (p promised) overdue(now time.Time) bool {
	return p.State == incident.CommitmentOpen && !now.Before(p.Due)
}

// look is what the page says about a promise: its shape and its words.
func (v *view) promise(p promised) (State, string) {
	switch {
	case p.overdue(v.now):
		return Down, v.t("promise_overdue", v.day(p.Due))
	case p.State == incident.CommitmentOpen:
		return Checking, v.t("promise_open", v.day(p.Due))
	case p.State == incident.CommitmentKept && p.Settled.After(p.Due):
		return Degraded, v.t("promise_late", v.day(p.Settled))
	case p.State == incident.CommitmentKept:
		return Operational, v.t("promise_kept", v.day(p.Settled))
	case p.State == incident.CommitmentBroken:
		return Down, v.t("promise_broken")
	}
	return Maintenance, v.t("promise_withdrawn")
}

// day is the day of a promise; promises end with their day.
func (v *view) day(t time.Time) string { return v.loc.Date(t) }

// words are a promise's words for the reader, and their language when it is not
// the page's.
func (v *view) promiseText(p promised) (text, lang string) {
	switch {
	case v.lang != i18n.EN:
		return p.Text, ""
	case p.TextEN != "":
		return p.TextEN, ""
	}
	return p.Text, "de"
}
