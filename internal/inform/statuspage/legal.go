package statuspage

import (
	"context"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/papers"
)

// legal is a paper that the law asks for, as it stands on the public page. It
// lies in the model, so that it stands without the database and in every copy of
// the page.
type legal struct {
	Kind  papers.Kind
	State papers.State
	// At is when somebody confirmed it last; zero: never. Who it was is not public.
	At    time.Time `json:",omitzero"`
	Words map[i18n.Lang]papers.Sheet
}

// legalPaths are the addresses of the papers, the same in every language.
var legalPaths = []struct {
	path string
	kind papers.Kind
}{
	{"impressum", papers.Imprint}, {"datenschutz", papers.Privacy}, {"barrierefreiheit", papers.Accessibility},
}

// legalOf asks for the papers. A page without them is worse than one with
// yesterday's, and no reason to keep a message back: what cannot be asked stays
// as it was.
func (r *Room) legalOf(ctx context.Context, before *model) []legal {
	if r.o.Papers == nil {
		return nil
	}
	all, err := r.o.Papers.Public(ctx)
	if err != nil {
		r.o.Log.WarnContext(ctx, "legal pages stay as they were", "err", err)
		if before != nil {
			return before.Legal
		}
		return nil
	}
	out := make([]legal, len(all))
	for i, p := range all {
		out[i] = legal{Kind: p.Kind, State: p.State, At: p.Last.At, Words: p.Words}
	}
	return out
}

// legal is the paper of a kind; one that was never asked for is a draft without
// words of its own.
func (m *model) legal(k papers.Kind) legal {
	for _, l := range m.Legal {
		if l.Kind == k {
			return l
		}
	}
	return legal{Kind: k, State: papers.Draft}
}
