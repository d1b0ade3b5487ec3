package pulse

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC)

// An engine that keeps its rhythm never counts as standing; one that stops does,
// after three of its longest pauses, and within the hour when it never began.
func TestRhythmProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pause := time.Duration(rapid.IntRange(1, 90).Draw(t, "pause")) * time.Minute
		var r rhythm
		now, stored := noon, int64(0)
		r.look(now, 5, stored)
		last := now
		for range rapid.IntRange(2, 20).Draw(t, "beats") {
			for end := last.Add(pause); now.Before(end); {
				now = now.Add(time.Minute)
				if now.Equal(end) || now.After(end) {
					stored++
				}
				if r.look(now, 5, stored) && pause < restFirst {
					t.Fatalf("a rhythm of %s counts as standing", pause)
				}
			}
			last = now
		}
		limit := max(restMin, 3*pause, restFirst) + 2*time.Minute
		for range int(limit / time.Minute) {
			now = now.Add(time.Minute)
		}
		if !r.look(now, 5, stored) {
			t.Fatalf("still for %s and not noticed, rhythm %s", limit, pause)
		}
		if r.look(now, 0, stored) {
			t.Fatal("an engine without checks stands")
		}
	})
	var r rhythm
	r.look(noon, 1, 0)
	if r.look(noon.Add(59*time.Minute), 1, 0) || !r.look(noon.Add(61*time.Minute), 1, 0) {
		t.Error("an engine that never begins")
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestInside(t *testing.T) {
	town := []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16"), netip.MustParsePrefix("2001:db8:1::/48")}
	for name, c := range map[string]struct {
		facts Facts
		want  string
	}{
		"outside":       {Facts{Hosts: []netip.Addr{addr("203.0.113.5")}, Gateways: []netip.Addr{addr("203.0.113.1")}, Resolvers: []netip.Addr{addr("9.9.9.9")}}, ""},
		"host":          {Facts{Hosts: []netip.Addr{addr("127.0.0.1"), addr("10.20.3.4")}}, "host"},
		"gateway":       {Facts{Hosts: []netip.Addr{addr("192.168.1.2")}, Gateways: []netip.Addr{addr("10.20.0.1")}}, "gateway"},
		"resolver":      {Facts{Resolvers: []netip.Addr{addr("127.0.0.53"), addr("2001:db8:1::53")}}, "resolver"},
		"mapped":        {Facts{Hosts: []netip.Addr{addr("::ffff:10.20.3.4")}}, "host"},
		"everything":    {Facts{Hosts: []netip.Addr{addr("10.20.3.4")}, Gateways: []netip.Addr{addr("10.20.0.1")}, Resolvers: []netip.Addr{addr("10.20.0.2")}}, "host gateway resolver"},
		"nothing known": {Facts{}, ""},
	} {
		var got []string
		for _, p := range Inside(c.facts, town) {
			got = append(got, p.What)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
	if len(Inside(Facts{Hosts: []netip.Addr{addr("127.0.0.1"), addr("fe80::1")}}, []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})) > 0 {
		t.Error("loopback and link-local tell nothing")
	}
}

// What Linux writes down is read as it stands there.
func TestReadFacts(t *testing.T) {
	got := gateways4(strings.NewReader("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0100140A\t0003\t0\t0\t0\t00000000\neth0\t0000140A\t00000000\t0001\t0\t0\t0\t0000FFFF\n"))
	if !slices.Equal(got, []netip.Addr{addr("10.20.0.1")}) {
		t.Error(got)
	}
	got = gateways6(strings.NewReader("00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000100000000000000000001 00000400 00000001 00000000 00000003     eth0\n00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n"))
	if !slices.Equal(got, []netip.Addr{addr("2001:db8:1::1")}) {
		t.Error(got)
	}
	got = resolvers(strings.NewReader("# x\nsearch musterstadt.example\nnameserver 10.20.0.2\nnameserver fe80::1%eth0\nnameserver quatsch\n"))
	if len(got) != 2 || got[0] != addr("10.20.0.2") {
		t.Error(got)
	}
	ReadFacts() // whatever this machine is, it is read without harm
}

func FuzzParseInvitation(f *testing.F) {
	f.Add("eyJ2IjoxfQ")
	f.Fuzz(func(t *testing.T, code string) {
		in, err := parseInvitation(code)
		if err == nil && !webAddress(in.Accept) {
			t.Errorf("%q leads to %q", code, in.Accept)
		}
	})
}

func FuzzParseGreeting(f *testing.F) {
	f.Add([]byte(`{"ping":"https://x/ping/y"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		g, err := parseGreeting(body)
		if err == nil && !webAddress(g.Ping) {
			t.Errorf("%q", g.Ping)
		}
	})
}

// FuzzPlaces: whatever stands in the machine's files, reading it does no harm.
func FuzzPlaces(f *testing.F) {
	f.Add("eth0\t00000000\t0100140A")
	f.Fuzz(func(t *testing.T, text string) {
		for _, a := range slices.Concat(gateways4(strings.NewReader(text)), gateways6(strings.NewReader(text)), resolvers(strings.NewReader(text))) {
			if !a.IsValid() {
				t.Error("an address that is none")
			}
		}
	})
}
