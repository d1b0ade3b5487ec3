package incident_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
)

// A promise is noted, put off, comes due, and a person says how it ended; the
// journal and whoever listens hear of each step.
func TestCommitments(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		ctx := as(sw.Ctx, "publisher")
		i := open(t, r, ctx, incident.OpenRequest{Title: "Ausfall", Services: []string{"portal"}})
		due := noon.Add(72 * time.Hour)

		if _, err := r.Commit(as(sw.Ctx, "reader"), i.ID, incident.Commitment{Text: "x", Due: due}); !errors.Is(err, incident.ErrForbidden) {
			t.Errorf("a reader promises: %v", err)
		}
		if _, err := r.Commit(ctx, i.ID, incident.Commitment{Text: "x"}); !errors.Is(err, incident.ErrCommitmentDue) {
			t.Errorf("without a day: %v", err)
		}
		if _, err := r.Commit(ctx, i.ID, incident.Commitment{Text: " ", Due: due}); !errors.Is(err, incident.ErrNoText) {
			t.Errorf("without words: %v", err)
		}
		took := must[[]incident.Commitment](t)(r.TakeCommitments(sw.Ctx, i.ID, []incident.Commitment{
			{Text: "Ein zweites Gerät steht bereit", Due: due, Public: true, Source: "s1"}, {Text: "Wir prüfen die Verträge", Due: due.Add(time.Hour), Source: "s1"},
		}))
		// The same words are the same promise; a later day puts it off.
		again := must[[]incident.Commitment](t)(r.TakeCommitments(sw.Ctx, i.ID, []incident.Commitment{{Text: "Ein zweites Gerät steht bereit", Due: due.Add(24 * time.Hour), Source: "s2"}}))
		if again[0].ID != took[0].ID || again[0].Moved != 1 || !again[0].Public || !again[0].Due.Equal(due.Add(24*time.Hour)) {
			t.Errorf("%+v", again[0])
		}
		list := must[[]incident.Commitment](t)(r.Commitments(ctx, incident.CommitmentFilter{Incident: i.ID}))
		if len(list) != 2 {
			t.Fatalf("%+v", list)
		}
		if list = must[[]incident.Commitment](t)(r.Commitments(ctx, incident.CommitmentFilter{Public: true})); len(list) != 1 {
			t.Errorf("%+v", list)
		}

		sweep := func(at time.Time) time.Time {
			t.Helper()
			w.now = at
			return must[time.Time](t)(r.SweepCommitments(ident.AcrossTenants(sw.Ctx), at))
		}
		count := func(word string) (n int) {
			for _, line := range journal(t, r, ctx, i.ID) {
				if strings.Contains(line, word) {
					n++
				}
			}
			return n
		}
		if next := sweep(noon); !next.Equal(due.Add(time.Hour).Add(-incident.RemindCommitment)) {
			t.Errorf("looks again at %v", next)
		}
		sweep(due.Add(2 * time.Hour)) // the contracts are late, the device is near
		sweep(due.Add(2 * time.Hour))
		if n := count("überfällig"); n != 1 {
			t.Errorf("the journal says %d times that something is overdue", n)
		}
		list = must[[]incident.Commitment](t)(r.Commitments(ctx, incident.CommitmentFilter{Incident: i.ID}))
		if list[0].Overdue(w.now) || !list[1].Overdue(w.now) {
			t.Errorf("%+v", list)
		}

		if _, err := r.Settle(ctx, i.ID, took[1].ID, incident.CommitmentBroken, ""); !errors.Is(err, incident.ErrCommitmentNote) {
			t.Errorf("broken without a reason: %v", err)
		}
		if _, err := r.Settle(ctx, i.ID, "nothing", incident.CommitmentKept, ""); !errors.Is(err, incident.ErrNoCommitment) {
			t.Errorf("%v", err)
		}
		broken := must[incident.Commitment](t)(r.Settle(ctx, i.ID, took[1].ID, incident.CommitmentBroken, "Der Anbieter antwortet nicht"))
		if broken.Overdue(w.now) {
			t.Error("what is settled is not overdue")
		}
		kept := must[incident.Commitment](t)(r.Settle(ctx, i.ID, took[1].ID, incident.CommitmentKept, "Vertrag gekündigt"))
		if !kept.Late() {
			t.Error("kept after its day is late")
		}
		if _, err := r.Settle(ctx, i.ID, took[1].ID, incident.CommitmentWithdrawn, "doch nicht"); !errors.Is(err, incident.ErrCommitmentState) {
			t.Errorf("what is kept stays kept: %v", err)
		}
		if k := must[incident.Commitment](t)(r.Settle(ctx, i.ID, took[0].ID, incident.CommitmentKept, "")); k.Late() {
			t.Error("kept in time is not late")
		}
		sweep(due.Add(1000 * time.Hour))
		if n := count("überfällig"); n != 1 {
			t.Errorf("settled promises become overdue: %d", n)
		}
	})
}

// No town reads or settles another one's promises.
func TestI19_CommitmentsApart(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, _ := setup(t, sw)
		ctx := as(sw.Ctx, "admin")
		i := open(t, r, ctx, incident.OpenRequest{Title: "Ausfall", Services: []string{"portal"}})
		c := must[incident.Commitment](t)(r.Commit(ctx, i.ID, incident.Commitment{Text: "x", Due: noon.Add(time.Hour)}))
		other := ident.WithTenant(ctx, "t2")
		if list := must[[]incident.Commitment](t)(r.Commitments(other, incident.CommitmentFilter{})); len(list) != 0 {
			t.Errorf("%+v", list)
		}
		if _, err := r.Settle(other, i.ID, c.ID, incident.CommitmentKept, ""); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%v", err)
		}
	})
}

// Whatever people do, a commitment that was kept or withdrawn stays so, and none
// is lost.
func TestCommitmentsNeverVanish(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	ctx := as(sw.Ctx, "admin")
	rapid.Check(t, func(rt *rapid.T) {
		i := open(t, r, ctx, incident.OpenRequest{Title: "Ausfall", Services: []string{"mail"}})
		final := map[incident.CommitmentID]incident.CommitmentState{}
		var ids []incident.CommitmentID
		for range rapid.IntRange(1, 8).Draw(rt, "acts") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(rt, "hours")) * time.Hour)
			switch rapid.SampledFrom([]string{"promise", "settle", "sweep"}).Draw(rt, "act") {
			case "promise":
				c, err := r.Commit(ctx, i.ID, incident.Commitment{
					Text: rapid.SampledFrom([]string{"Eins", "Zwei"}).Draw(rt, "text"), Due: w.now.Add(time.Duration(rapid.IntRange(1, 60).Draw(rt, "due")) * time.Hour),
				})
				if err != nil {
					rt.Fatal(err)
				}
				if !slices.Contains(ids, c.ID) {
					ids = append(ids, c.ID)
				}
			case "settle":
				if len(ids) == 0 {
					continue
				}
				id := rapid.SampledFrom(ids).Draw(rt, "which")
				to := rapid.SampledFrom([]incident.CommitmentState{incident.CommitmentKept, incident.CommitmentBroken, incident.CommitmentWithdrawn, incident.CommitmentOpen}).Draw(rt, "to")
				_, err := r.Settle(ctx, i.ID, id, to, "darum")
				if final[id] != "" && err == nil {
					rt.Fatalf("%s became %s", final[id], to)
				}
				if err == nil && (to == incident.CommitmentKept || to == incident.CommitmentWithdrawn) {
					final[id] = to
				}
			case "sweep":
				if _, err := r.SweepCommitments(ident.AcrossTenants(sw.Ctx), w.now); err != nil {
					rt.Fatal(err)
				}
			}
			list, err := r.Commitments(ctx, incident.CommitmentFilter{Incident: i.ID})
			if err != nil || len(list) != len(ids) {
				rt.Fatalf("%d of %d are left, %v", len(list), len(ids), err)
			}
			for _, c := range list {
				if f := final[c.ID]; f != "" && c.State != f {
					rt.Fatalf("%s became %s", f, c.State)
				}
			}
		}
		if err := r.VerifyJournal(ctx, i.ID); err != nil {
			rt.Fatal(err)
		}
	})
}
