package roster_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/raise/roster"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// I19: what is said to everybody in the room, and who is on duty, holds no address,
// whoever is deleted, blocked or without a name while the plan still names them.
func TestI19_NoAddressForAll(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		if err := x.Save(x.as(bert), press(t), true); err != nil {
			t.Fatal(err)
		}
		chats := map[*chat]string{}
		for _, product := range roster.Products() {
			c := x.chat(t, product)
			c.confirm(t, ada, "u1")
			chats[c] = string(product)
		}
		full := slices.Clone(x.people)
		x.people = slices.DeleteFunc(slices.Clone(full), func(p identity.Person) bool { return p.Email == bert })
		for c, product := range chats {
			h := c.says(t, "u1", "woche").want(t, "jemand, den Türmer nicht mehr kennt")
			if !h.all && product != string(channel.RocketChat) {
				t.Errorf("%s: not for all", product)
			}
		}
		rapid.Check(t, func(rt *rapid.T) {
			x.people = nil
			for _, p := range full {
				switch rapid.SampledFrom([]string{"stays", "goes", "blocked", "nameless", "named by the address"}).Draw(rt, p.Email) {
				case "goes":
					if p.Email != ada { // she asks
						continue
					}
				case "blocked":
					p.Blocked = p.Email != ada
				case "nameless":
					p.Name = ""
				case "named by the address":
					p.Name = p.Email
				}
				x.people = append(x.people, p)
			}
			for c, product := range chats {
				for _, text := range []string{"woche", "week presse", "jetzt"} {
					x.clock.at = x.clock.at.Add(3 * time.Second)
					if h := c.says(t, "u1", text); strings.Contains(h.text, "@") {
						rt.Fatalf("%s %q: an address:\n%s", product, text, h.text)
					}
				}
			}
		})
	})
}
