package mail

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// CheckAddress tells whether s can stand in an envelope and a header as it is,
// and answers it with an internationalised domain turned into its ASCII form
// ("ada@straße.example" → "ada@xn--strae-oqa.example").
//
// It takes what RFC 5321 calls a Mailbox with a dot-string before the at sign;
// quoted local parts and local parts beyond ASCII (RFC 6531) are refused, since
// a relay on the way may not carry them. A display name is not part of an
// address.
func CheckAddress(s string) (string, error) {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return "", errors.New("address without @")
	}
	local, domain := s[:at], s[at+1:]
	if !dotAtom(local) {
		return "", errors.New("the part before @ is empty or has characters that mail cannot carry")
	}
	if len(local) > 64 { // RFC 5321, 4.5.3.1.1
		return "", errors.New("the part before @ is longer than 64 characters")
	}
	domain, err := checkDomain(domain)
	if err != nil {
		return "", err
	}
	if len(local)+1+len(domain) > 254 { // RFC 5321, 4.5.3.1.3, less the angle brackets
		return "", errors.New("address longer than 254 characters")
	}
	return local + "@" + domain, nil
}

func checkDomain(d string) (string, error) {
	if strings.HasPrefix(d, "[") && strings.HasSuffix(d, "]") {
		ip := d[1 : len(d)-1]
		v6 := strings.HasPrefix(ip, "IPv6:")
		a, err := netip.ParseAddr(strings.TrimPrefix(ip, "IPv6:"))
		if err != nil || a.Is6() != v6 || a.Zone() != "" {
			return "", errors.New("the address literal behind @ is no IP address")
		}
		return d, nil
	}
	if !ascii(d) {
		if !utf8.ValidString(d) {
			return "", errors.New("the domain behind @ is no valid UTF-8")
		}
		a, err := idna.Lookup.ToASCII(d)
		if err != nil {
			return "", fmt.Errorf("the domain behind @ is no international domain name: %w", err)
		}
		d = a
	}
	if d == "" || len(d) > 253 {
		return "", errors.New("the domain behind @ is empty or too long")
	}
	for label := range strings.SplitSeq(d, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", errors.New("the domain behind @ has an empty, too long or hyphen-edged part")
		}
		for i := range len(label) {
			if c := label[i]; !alnum(c) && c != '-' && c != '_' {
				return "", errors.New("the domain behind @ has characters that no domain has")
			}
		}
	}
	return d, nil
}

// dotAtom is RFC 5322's dot-atom-text, which RFC 5321 calls Dot-string.
func dotAtom(s string) bool {
	dot := true // a dot may neither open nor follow a dot
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			if dot {
				return false
			}
			dot = true
		case atext(c):
			dot = false
		default:
			return false
		}
	}
	return !dot
}

func atext(c byte) bool {
	return alnum(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func alnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
