package roster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// In Rocket.Chat a code stands in the room, for everybody to read who is quick. So
// whatever shows one ends it before anything else is decided: also what is one command
// too many, what a machine repeats, and what has the word "ich" missing.

// plainCode is a code without what people put into it.
func plainCode(code string) string {
	return strings.NewReplacer("-", "", " ", "", "–", "").Replace(strings.ToUpper(code))
}

// shownCodes are what may be a code in what somebody wrote, also in two halves.
func shownCodes(text string) (out []string) {
	words := strings.Fields(legible(text))
	for i, w := range words {
		words[i] = plainCode(strings.Trim(w, ".,;:!?()<>\"'„“`*_~"))
	}
	add := func(word string) {
		if len(word) == codeLength && strings.Trim(word, codeLetters) == "" && !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	for i, w := range words {
		add(w)
		if i > 0 {
			add(words[i-1] + w)
		}
	}
	return out
}

// spend ends codes and answers whose they were; what is over counts as nobody's. What
// nobody has made ends nothing. Of two who come at once, one has it.
func (r *Room) spend(ctx context.Context, now time.Time, codes []string) (persons []string, err error) {
	if len(codes) == 0 {
		return nil, nil
	}
	tenant := ident.TenantOf(ctx)
	hashes := bun.List(each(codes, r.codeHash))
	// Who shouts shall not keep the writer busy.
	there, err := r.o.Store.Read(ctx).NewSelect().Model((*codeRow)(nil)).Where("tenant_id = ? AND hash IN (?)", tenant, hashes).Exists(ctx)
	if err != nil {
		return nil, fmt.Errorf("roster: code: %w", err)
	}
	if !there {
		return nil, nil
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var rows []codeRow
		_, err := db.NewDelete().Model(&rows).Where("tenant_id = ? AND hash IN (?)", tenant, hashes).Returning("*").Exec(ctx)
		if err != nil && !store.NotFound(err) {
			return fmt.Errorf("roster: code: %w", err)
		}
		persons = nil
		for _, row := range rows {
			if row.EndsAt.After(now) {
				persons = append(persons, row.Person)
			}
		}
		return nil
	})
	return persons, err
}

// sayMe confirms an account by a code, or says why not and that the code is gone.
func (r *Room) sayMe(ctx context.Context, t teller, row hookRow, account, name, code string, s Slash, now time.Time) (Said, error) {
	mine, all := "code\n"+row.ID+"\n"+account, "codes\n"+row.ID
	if !r.gate.has(now, mine, maxCodesAMinute) || !r.gate.has(now, all, maxCodesOfHook) {
		if _, err := r.spend(ctx, now, append(shownCodes(s.Text), plainCode(code))); err != nil {
			return r.codeFailed(ctx, t, row, err)
		}
		return t.plain("too_many_codes"), nil
	}
	person, err := r.confirm(ctx, row, account, legible(name), code)
	if errors.Is(err, errBadCode) {
		r.gate.let(now, mine, maxCodesAMinute)
		r.gate.let(now, all, maxCodesOfHook)
		if _, err := r.spend(ctx, now, shownCodes(s.Text)); err != nil { // "ich K7F2-9XQM bitte"
			return r.codeFailed(ctx, t, row, err)
		}
	}
	if err != nil {
		said, err := t.sorry(err)
		if err != nil {
			return r.codeFailed(ctx, t, row, err)
		}
		return said, nil
	}
	return r.Command(speaking(ctx, person, ""), Command{Verb: VerbMe}, s.Prefix)
}

// codeFailed: it is not known whether the code still opens. A new one ends it.
func (r *Room) codeFailed(ctx context.Context, t teller, row hookRow, err error) (Said, error) {
	r.o.Log.ErrorContext(ctx, "a code was not judged", "hook", row.ID, "err", err)
	return t.plain("failed_code"), nil
}
