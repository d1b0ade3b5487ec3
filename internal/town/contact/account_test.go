package contact

import (
	"errors"
	"testing"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/identity"
)

// An account without a recovery mail, or with one that the town runs, is red; one
// elsewhere is apart only when somebody holds the second factor.
func TestAccounts(t *testing.T) {
	storetest.Each(t, []store.Migrations{Migrations()}, func(t *testing.T, s *storetest.World) {
		w := newWorld(t, s)
		w.town.Domains = []string{"stadt.example"}
		for _, c := range []struct {
			account RegisteredAccount
			state   State
			cause   identity.Cause
		}{
			{RegisteredAccount{Network: "Mastodon", Name: "@a", Second: "Ada"}, Shared, identity.CauseMissing},
			{RegisteredAccount{Network: "Mastodon", Name: "@b", Second: "Ada", Recovery: "presse@amt.stadt.example"}, Shared, identity.CauseSameDomain},
			{RegisteredAccount{Network: "Mastodon", Name: "@c", Recovery: "presse@gibt-es-nirgends.example"}, Unknown, ""},
		} {
			kept, err := w.KeepAccount(s.Ctx, c.account)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.checkAll(s.Ctx, w.clock.now); err != nil {
				t.Fatal(err)
			}
			_, seen, err := w.Account(s.Ctx, kept.ID)
			if err != nil || seen.State != c.state || c.cause != "" && (len(seen.Findings) != 1 || seen.Findings[0].Cause != c.cause) {
				t.Errorf("%s: %s %+v %v", kept.Title(), seen.State, seen.Findings, err)
			}
			for _, f := range seen.Findings {
				if f.Address != "" || f.Person != "" {
					t.Errorf("a look names somebody: %+v", f)
				}
			}
			if err := w.DropAccount(s.Ctx, kept.ID); err != nil {
				t.Fatal(err)
			}
			if err := w.DropAccount(s.Ctx, kept.ID); !errors.Is(err, ErrNoAccount) {
				t.Fatal(err)
			}
		}
		if _, err := w.KeepAccount(s.Ctx, RegisteredAccount{Network: "X", Name: "a", Recovery: "Ada <ada@post.example>"}); fault.As(err).Fields["recovery"] == "" {
			t.Fatal(err)
		}
		if _, err := w.KeepAccount(s.Ctx, RegisteredAccount{ID: "nie", Network: "X", Name: "a"}); !errors.Is(err, ErrNoAccount) {
			t.Fatal(err)
		}
	})
}
