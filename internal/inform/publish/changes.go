package publish

import (
	"context"

	"tuermer/internal/inform/template"
)

// Changed is one variant beside what its reader saw before.
type Changed struct {
	Audience string
	Format   template.Format
	Language template.Language
	// New: there is no earlier text, or one so different that marks would only
	// get in the way of reading.
	New     bool
	Subject []Piece
	Title   []Piece
	Body    []Piece
}

// Changes compares what waits for approval with what the approver saw before it
// was given back, or else with what the same readers read last.
func (r *Room) Changes(ctx context.Context, id ID) ([]Changed, error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	s, err := r.get(ctx, id)
	if err != nil {
		return nil, err
	}
	p, err := r.Look(ctx, id)
	if err != nil {
		return nil, err
	}
	return r.changes(ctx, s, p)
}

func (r *Room) changes(ctx context.Context, s Statement, p Preview) ([]Changed, error) {
	before := s.seenBefore
	if len(before) == 0 {
		against := p.telling.last
		if p.telling.corrected != nil {
			against = p.telling.corrected
		}
		if against != nil {
			var err error
			if before, err = r.variants(ctx, against.ID); err != nil {
				return nil, err
			}
		}
	}
	out := make([]Changed, 0, len(p.Variants))
	for _, v := range p.Variants {
		c := Changed{Audience: v.Audience, Format: v.Format, Language: v.Language, New: true}
		var old Variant
		for _, b := range before {
			if b.Audience == v.Audience && b.Format == v.Format && b.Language == v.Language {
				old, c.New = b, false
			}
		}
		c.Subject, c.Title, c.Body = Diff(old.Subject, v.Subject), Diff(old.Title, v.Title), Diff(old.Body, v.Body)
		c.New = c.New || !alike(c.Body)
		out = append(out, c)
	}
	return out, nil
}

// alike reports whether at least half of the new text stood there before.
func alike(ps []Piece) bool {
	same, all := 0, 0
	for _, p := range ps {
		switch p.Change {
		case Same:
			same += len(p.Text)
			all += len(p.Text)
		case Added:
			all += len(p.Text)
		case Removed:
		}
	}
	return 2*same >= all
}
