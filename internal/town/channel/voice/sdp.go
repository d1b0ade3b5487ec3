package voice

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// events is the payload type that we offer for keys.
const events = 101

// offer is the description of our side (RFC 4566): G.711 and keys, both ways.
func offer(local netip.AddrPort, session uint32) []byte {
	family := "IP4"
	if local.Addr().Is6() {
		family = "IP6"
	}
	return fmt.Appendf(nil, "v=0\r\no=tuermer %d 1 IN %s %s\r\ns=Tuermer\r\nc=IN %[2]s %[3]s\r\nt=0 0\r\nm=audio %d RTP/AVP 8 0 %d\r\n"+
		"a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:%[5]d telephone-event/8000\r\na=fmtp:%[5]d 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
		session, family, local.Addr(), local.Port(), events)
}

// chosen is what the far side answered to the offer.
type chosen struct {
	to    netip.AddrPort
	codec codec
	event int // payload type of keys; -1: it sends none
}

var errAnswer = errors.New("voice: the far side takes none of our sound")

// parseAnswer reads the far side's description: a foreign text.
func parseAnswer(b []byte) (chosen, error) {
	out := chosen{event: -1}
	var addr netip.Addr
	var port uint64
	var inAudio, found, known bool
	for line := range strings.Lines(string(b)) {
		kind, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		if !ok {
			continue
		}
		f := strings.Fields(value)
		switch kind {
		case "c":
			// A later one, of another medium, is not ours.
			if len(f) < 3 || found && !inAudio {
				continue
			}
			if a, err := netip.ParseAddr(strings.SplitN(f[2], "/", 2)[0]); err == nil {
				addr = a.Unmap()
			}
		case "m":
			inAudio = !found && len(f) >= 4 && f[0] == "audio" && f[2] == "RTP/AVP"
			if !inAudio {
				continue
			}
			found = true
			var err error
			if port, err = strconv.ParseUint(f[1], 10, 16); err != nil {
				return chosen{}, errAnswer
			}
			for _, pt := range f[3:] {
				if (pt == "8" || pt == "0") && !known {
					known = true
					if pt == "0" {
						out.codec = ulaw
					} else {
						out.codec = alaw
					}
				}
			}
		case "a":
			if pt, name, ok := strings.Cut(strings.TrimPrefix(value, "rtpmap:"), " "); inAudio && ok && strings.HasPrefix(strings.ToLower(name), "telephone-event/8000") {
				if n, err := strconv.Atoi(pt); err == nil && n >= 0 && n < 128 {
					out.event = n
				}
			}
		}
	}
	if !found || !known || port == 0 || !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
		return chosen{}, errAnswer
	}
	out.to = netip.AddrPortFrom(addr, uint16(port))
	return out, nil
}

// infoKey reads the key out of a SIP INFO: "application/dtmf-relay" names it in a
// line, "application/dtmf" is the key alone.
func infoKey(kind string, body []byte) (byte, bool) {
	text := strings.TrimSpace(string(body))
	switch kind = strings.ToLower(strings.TrimSpace(strings.SplitN(kind, ";", 2)[0])); kind {
	case "application/dtmf-relay":
		found := ""
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(line, "="); ok && strings.EqualFold(strings.TrimSpace(name), "signal") {
				found = strings.TrimSpace(value)
			}
		}
		text = found
	case "application/dtmf":
	default:
		return 0, false
	}
	if len(text) != 1 || !strings.Contains(keys, text) {
		return 0, false
	}
	return text[0], true
}

// keys are those of a telephone, by their number in RFC 4733.
const keys = "0123456789*#"
