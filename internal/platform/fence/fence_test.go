package fence

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestAllows(t *testing.T) {
	hosted, alone := []string{"public"}, []string{"public", "private"}
	for _, c := range []struct {
		words []string
		addr  string
		ok    bool
	}{
		{hosted, "93.184.216.34", true},
		{hosted, "2606:2800:220:1::1", true},
		{hosted, "192.0.2.7", true},
		{hosted, "10.1.2.3", false},
		{hosted, "172.31.0.1", false},
		{hosted, "192.168.1.1", false},
		{hosted, "100.64.0.1", false},
		{hosted, "fd12::1", false},
		{alone, "10.1.2.3", true},
		{alone, "172.16.0.1", true},
		{alone, "fd12::1", true},
		{alone, "127.0.0.1", false},
		{alone, "127.8.9.10", false},
		{alone, "::1", false},
		{alone, "0.0.0.0", false},
		{alone, "::", false},
		{alone, "169.254.1.1", false},
		{alone, "fe80::1", false},
		{alone, "fe80::1%eth0", false},
		{alone, "224.0.0.1", false},
		{alone, "255.255.255.255", false},
		{alone, "ff02::1", false},
		// The same addresses in another dress.
		{alone, "::ffff:127.0.0.1", false},
		{hosted, "::ffff:10.0.0.1", false},
		{alone, "::127.0.0.1", false},
		{alone, "64:ff9b::7f00:1", false},
		{alone, "64:ff9b:1::7f00:1", false},
		{hosted, "64:ff9b::a00:1", false},
		{hosted, "64:ff9b::5db8:d822", true},
		{alone, "2002:7f00:1::", false},
		{hosted, "2002:c0a8:101::1", false},
		{alone, "2001:0:1:2::80ff:fffe", false},
		{alone, "2001:db8::5efe:7f00:1", false},
		// Metadata are nobody's, whatever the list says.
		{[]string{"public", "private", "169.254.0.0/16", "fd00::/8", "100.64.0.0/10", "0.0.0.0/0", "::/0"}, "169.254.169.254", false},
		{[]string{"::/0"}, "fd00:ec2::254", false},
		{[]string{"0.0.0.0/0"}, "100.100.100.200", false},
		{[]string{"::/0"}, "::ffff:169.254.169.254", false},
		{[]string{"::/0"}, "64:ff9b::a9fe:a9fe", false},
		{[]string{"0.0.0.0/0"}, "168.63.129.16", false},
		{[]string{"::/0"}, "fd20:ce::254", false},
		{[]string{"0.0.0.0/0"}, "192.0.0.192", false},
		// What the operator lists.
		{[]string{"127.0.0.0/8"}, "127.0.0.1", true},
		{[]string{"127.0.0.0/8"}, "::ffff:127.0.0.1", true},
		{[]string{"10.1.0.0/16"}, "10.1.255.1", true},
		{[]string{"10.1.0.0/16"}, "10.2.0.1", false},
		{[]string{"10.1.0.0/16"}, "93.184.216.34", false},
		{[]string{"192.0.2.5"}, "192.0.2.5", true},
		{[]string{"::1"}, "::1", true},
		{nil, "93.184.216.34", false},
	} {
		r, err := Parse(c.words)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Allows(netip.MustParseAddr(c.addr)); (got == nil) != c.ok {
			t.Errorf("%v: %s: %v", c.words, c.addr, got)
		}
	}
	for _, bad := range []string{"alles", "10.0.0.0/99", "", "fe80::1%eth0", "::ffff:10.0.0.0/104", "10.0.0.0-10.0.0.9"} {
		if _, err := Parse([]string{bad}); err == nil {
			t.Errorf("%q is taken for a network", bad)
		}
	}
	if (List{Public: true, Private: true}).Allows(netip.Addr{}) == nil {
		t.Error("an address that nobody knows is allowed")
	}
}

// TestDressChangesNothing: whatever the address, its dress changes nothing, and
// the words never open this machine or a cloud's metadata.
func TestDressChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v4 := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")))
		r := List{Public: rapid.Bool().Draw(t, "public"), Private: rapid.Bool().Draw(t, "private")}
		plain := r.Allows(v4) == nil
		b := v4.As4()
		for name, dressed := range map[string]netip.Addr{
			"mapped": netip.AddrFrom16(v4.As16()),
			"nat64":  netip.MustParseAddr(fmt.Sprintf("64:ff9b::%02x%02x:%02x%02x", b[0], b[1], b[2], b[3])),
			"6to4":   netip.MustParseAddr(fmt.Sprintf("2002:%02x%02x:%02x%02x::1", b[0], b[1], b[2], b[3])),
		} {
			if got := r.Allows(dressed) == nil; got != plain {
				t.Fatalf("%s %v, as %s %v", v4, plain, name, got)
			}
		}
		if plain && (v4.IsLoopback() || v4.IsLinkLocalUnicast() || v4.IsMulticast() || v4.IsUnspecified() || within(v4, metadata)) {
			t.Fatalf("%s is allowed", v4)
		}
		if plain && v4.IsPrivate() && !r.Private {
			t.Fatalf("%s is allowed", v4)
		}
	})
}

// What a list is called in words, and what of it travels, is the same list.
func TestWordsAndWire(t *testing.T) {
	for _, words := range [][]string{nil, {"public"}, {"public", "private", "10.1.0.0/16", "fd12::/64", "192.0.2.5/32"}} {
		l, err := Parse(words)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Words(); !slices.Equal(got, words) {
			t.Errorf("%v: %v", words, got)
		}
		raw, err := json.Marshal(l)
		var back List
		if err != nil || json.Unmarshal(raw, &back) != nil || !slices.Equal(back.Words(), words) {
			t.Errorf("%s: %v", raw, back)
		}
	}
}
