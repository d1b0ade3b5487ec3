package roster_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"tuermer/internal/town/channel"
)

var numbered = regexp.MustCompile(`(\d{5}): `)

// shiftNumber is the number of the first shift in a list.
func shiftNumber(t testing.TB, list string) string {
	t.Helper()
	m := numbered.FindStringSubmatch(list)
	if m == nil {
		t.Fatalf("no number in:\n%s", list)
	}
	return m[1]
}

// Somebody reads the list, time passes, the first shift begins: its number means no
// other one, and those of the others mean what they meant.
func TestShiftNumberNeverDrifts(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		c := x.chat(t, channel.Mattermost)
		c.confirm(t, ada, "u1")
		list := c.says(t, "u1", "tausch").text
		meant := map[string]string{}
		for line := range strings.Lines(list) {
			if number, what, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && numbered.MatchString(number+": ") {
				meant[number] = strings.TrimSpace(strings.Split(what, " ·")[0])
			}
		}
		if len(meant) < 5 {
			t.Fatalf("%d numbers in:\n%s", len(meant), list)
		}
		first := shiftNumber(t, list)
		for day := range 10 {
			x.clock.at = x.clock.at.Add(24 * time.Hour)
			now := c.says(t, "u1", "tausch").text
			for number, what := range meant {
				h := c.says(t, "u1", "tausch "+number+" kern")
				if there := strings.Contains(now, number+": "); there != strings.Contains(h.text, "gibt an") {
					t.Errorf("day %d, %s is listed %v:\n%s", day, what, there, h.text)
				} else if there && !strings.Contains(h.text, what) {
					t.Errorf("day %d: meant %q, asked for:\n%s", day, what, h.text)
				}
			}
		}
		c.says(t, "u1", "tausch "+first+" kern").want(t, "Welche Schicht meinen Sie?", "nicht mehr")
		if all, err := x.Swaps(x.w.Ctx, "presse", 100); err != nil || len(all) == 0 {
			t.Error("nothing was asked:", err)
		}
	})
}
