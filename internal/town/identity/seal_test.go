package identity_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/identity"
)

func TestSealedAccess(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada, eve := h.add(t, person("Ada", identity.RoleAdmin)), h.add(t, person("Eve", identity.RoleApprover))
		if _, _, err := h.SealAccess(h.as(eve), "", "x"); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("an approver seals: %v", err)
		}
		if _, _, err := h.SealAccess(h.as(ada), "", " "); fault.As(err).Fields["place"] == "" {
			t.Errorf("nowhere: %v", err)
		}
		code, seal, err := h.SealAccess(h.as(ada), "", "Tresor im Rathaus")
		if err != nil || len(strings.ReplaceAll(code, "-", "")) != 20 || !seal.Sealed {
			t.Fatalf("%q %+v %v", code, seal, err)
		}
		if got := h.subjects(); !strings.Contains(got, "ada@posteo.example: Türmer Stadt t1: Ein Notzugang wurde versiegelt") || strings.Contains(got, "eve@") {
			t.Errorf("told:\n%s", got)
		}
		night := identity.Client{Address: "203.0.113.50"}
		for _, wrong := range []string{"", "x", strings.Repeat("0", 20), code[1:], "' OR 1=1"} {
			if _, err := h.OpenSeal(h.ctx, wrong, "Eva", night); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: %v", wrong, err)
			}
		}
		if _, err := h.OpenSeal(h.ctx, code, " ", night); fault.As(err).Fields["name"] == "" {
			t.Errorf("nameless: %v", err)
		}
		h.letters = nil
		s, err := h.OpenSeal(h.ctx, strings.ToUpper(strings.ReplaceAll(code, "-", " ")), "Eva Beispiel", night)
		if err != nil || s.Token == "" || s.Via != "sealed" || s.Device != "" {
			t.Fatalf("%+v %v", s, err)
		}
		if got := h.subjects(); !strings.Contains(got, "ada@t1.example: Türmer Stadt t1: Ein Notzugang wurde geöffnet") ||
			!strings.Contains(got, "ada@posteo.example:") || !strings.Contains(h.letters[0].Body, "Eva Beispiel, Tresor im Rathaus") {
			t.Errorf("told:\n%s", got)
		}
		p, _, err := h.BySession(h.ctx, s.Token)
		if err != nil || p.Name != "Eva Beispiel (Notzugang)" || !p.Has(identity.RoleAdmin) || p.Has(identity.RoleApprover) || len(p.Addresses()) != 0 {
			t.Fatalf("%+v %v", p, err)
		}
		if n, err := h.BrokenSeals(h.ctx); err != nil || n != 1 {
			t.Errorf("%d broken, %v", n, err)
		}
		// In no list, and with no way to another way in.
		if list, err := h.People(h.ctx, identity.Filter{}); err != nil || len(list) != 2 {
			t.Errorf("%d people, %v", len(list), err)
		}
		for what, err := range map[string]error{
			"code again": second(h.OpenSeal(h.ctx, code, "Eva", night)),
			"token":      third(h.CreateToken(h.as(p), p.ID, "x", nil)),
			"app":        second(h.NewTOTP(h.as(p), s)),
			"seal":       third(h.SealAccess(h.as(p), seal.ID, "")),
			"password":   h.SetPassword(h.as(p), s, "", goodPassword),
		} {
			if err == nil {
				t.Errorf("by seal: %s", what)
			}
		}
		// Sealed again: out at once, and the old paper is worth nothing.
		again, seal, err := h.SealAccess(h.as(ada), seal.ID, "")
		if err != nil || again == code || seal.Place != "Tresor im Rathaus" {
			t.Fatalf("%+v %v", seal, err)
		}
		if _, _, err := h.BySession(h.ctx, s.Token); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("still in: %v", err)
		}
		if old, err := h.Person(h.ctx, p.ID); err != nil || !old.Blocked || old.Name != p.Name {
			t.Errorf("the journal loses its name: %+v %v", old, err)
		}
		// A night has an end.
		if s, err = h.OpenSeal(h.ctx, again, "Eva", night); err != nil {
			t.Fatal(err)
		}
		if old, err := h.Person(h.ctx, p.ID); err != nil || !old.Blocked {
			t.Errorf("the opening before lives again: %+v %v", old, err)
		}
		h.now = h.now.Add(identity.OpenFor - time.Second)
		if _, _, err := h.BySession(h.ctx, s.Token); err != nil {
			t.Errorf("before the end: %v", err)
		}
		h.now = h.now.Add(time.Second)
		if _, _, err := h.BySession(h.ctx, s.Token); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("after the end: %v", err)
		}
		list, err := h.Seals(h.as(ada))
		if err != nil || len(list) != 1 || list[0].Sealed || list[0].Last.Name != "Eva" {
			t.Errorf("%+v %v", list, err)
		}
		if err := h.RemoveSeal(h.as(ada), seal.ID); err != nil {
			t.Fatal(err)
		}
		if err := h.audit.Verify(h.ctx); err != nil {
			t.Error(err)
		}
	})
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

// Of many who hold a copy of the paper one comes in; guessing is slow.
func TestSealedAccessRace(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ada := h.add(t, person("Ada", identity.RoleAdmin))
		code, _, err := h.SealAccess(h.as(ada), "", "Tresor")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		in := 0
		for range 8 {
			wg.Go(func() {
				if s, err := h.OpenSeal(h.ctx, code, "Eva", identity.Client{Address: "203.0.113.1"}); err == nil && s.Token != "" {
					mu.Lock()
					in++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if in != 1 {
			t.Errorf("%d came in", in)
		}
		tries := 0
		for range 40 {
			if _, err := h.OpenSeal(h.ctx, "0", "Eva", identity.Client{Address: "198.51.100.1"}); fault.KindOf(err) == fault.Invalid {
				tries++
			}
		}
		if tries != 10 {
			t.Errorf("%d tries at once", tries)
		}
	})
}

// Whatever is sealed, opened, sealed again, and however time goes: a code opens
// at most once and only while it is the newest, and each opening is told.
func TestSealedAccessOnce(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t, rooms...))
	ada := h.add(t, person("Ada", identity.RoleAdmin))
	code, seal, err := h.SealAccess(h.as(ada), "", "Tresor")
	if err != nil {
		t.Fatal(err)
	}
	valid, codes := code, []string{code}
	rapid.Check(t, func(t *rapid.T) {
		t.Repeat(map[string]func(*rapid.T){
			"open": func(t *rapid.T) {
				try := rapid.SampledFrom(codes).Draw(t, "code")
				h.letters = nil
				h.now = h.now.Add(time.Minute)
				_, err := h.OpenSeal(h.ctx, try, "Eva", identity.Client{Address: "203.0.113.1"})
				if (err == nil) != (try == valid) {
					t.Fatalf("newest %v: %v", try == valid, err)
				}
				if told := len(h.letters); (err == nil) != (told == 2) {
					t.Fatalf("%d letters, %v", told, err)
				}
				if err == nil {
					valid = ""
				}
			},
			"seal": func(t *rapid.T) {
				code, _, err := h.SealAccess(h.as(ada), seal.ID, "")
				if err != nil {
					t.Fatal(err)
				}
				valid, codes = code, append(codes, code)
			},
			"wait": func(t *rapid.T) {
				h.now = h.now.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "hours")) * time.Hour)
			},
		})
	})
}
