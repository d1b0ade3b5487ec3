package service

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Worded tells whose words a service's name and Ersatzweg are. They flow into
// the short message that was approved beforehand (I3), so after a change they
// need a second person before they go out with it. Without By they are the
// operator's word, from tuermer.yaml or from the start.
type Worded struct {
	By     string    `json:",omitempty"` // id of the person who wrote them
	ByName string    `json:",omitempty"`
	At     time.Time `json:",omitzero"`
	SeenBy string    `json:",omitempty"` // id of the approver who released them
}

// WordsOpen reports whether nobody but their author has seen the words that
// flow into prepared texts.
func (s Service) WordsOpen() bool {
	return !s.Declared && s.Worded.By != "" && s.Worded.SeenBy == ""
}

// printed are the words of s that prepared texts print.
func (s Service) printed() [12]string {
	w := s.Workaround
	return [12]string{
		s.Name, s.Article, s.Dative, s.Accusative, s.Short, s.NameEN, s.NameLS, w.Text, w.Short, w.TextEN, w.Deadline, w.Hours,
	}
}

// worded is s with its author, after old was there; ok is false for a new one.
func (s Service) worded(ctx context.Context, old Service, ok bool, now time.Time) Service {
	s.Worded = old.Worded
	if ok && old.printed() == s.printed() {
		return s
	}
	a := ident.ActorOf(ctx)
	s.Worded = Worded{}
	if a.Person != "" {
		s.Worded = Worded{By: a.Person, ByName: a.Name, At: now}
	}
	return s
}

// OpenWords lists the services whose words only their author has seen.
func (r *Room) OpenWords(ctx context.Context) ([]Service, error) {
	all, err := r.List(ctx)
	var out []Service
	for _, s := range all {
		if s.WordsOpen() {
			out = append(out, s)
		}
	}
	return out, err
}

// ReleaseWords approves all open words as they stand. An approver in person
// does that, and for nobody's words but those of others.
func (r *Room) ReleaseWords(ctx context.Context) error {
	a := ident.ActorOf(ctx)
	if a.Person == "" || !a.Has("approver") {
		return fault.New(fault.Forbidden, "service.words_forbidden")
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		open, err := r.OpenWords(ctx)
		if err != nil {
			return err
		}
		for _, s := range open {
			if s.Worded.By == a.Person {
				continue
			}
			s.Worded.SeenBy = a.Person
			if err := r.put(ctx, s); err != nil {
				return err
			}
			err := r.o.Audit.Record(ctx, audit.Entry{
				Action: "service.words_released", Subject: "service:" + s.Slug,
				Detail: map[string]string{"name": s.Name, "workaround": s.Workaround.Text, "by": s.Worded.ByName},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
